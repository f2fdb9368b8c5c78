using System.Globalization;
using Tacit.Bench.Harness;
using Tacit.Protocol;

namespace Tacit.Bench.Paper;

/// <summary>
/// The experiment of Mao, Liao, Liu and Yang, "A Practical and Privacy-Preserving Framework for Real-World Large Language Model Services" (arXiv 2411.01471), Table I: ten
/// identical questions one after the other, straight to the provider, paid by one chain of a subscription, and paid by ten tickets; and ten tickets issued at once.
/// </summary>
/// <remarks>
/// The paper's seconds are of ten questions. Its bytes are taken as those of one question: over ten, the 670 that a ticket adds would leave 67 to each, less than any
/// signature of its kind. Judged is what a mode adds, since the paper's own headers and bodies are not known.
/// </remarks>
internal sealed class PaperSuite : Suite
{
    private const int Questions = 10;
    private const int MostRounds = 3;
    private const int BatchSize = 10;

    /// <summary>Enough for what runs often to be compiled for good, as in roles that run for days.</summary>
    private const int WarmUp = 40;
    private const double OnePercent = 0.01;

    private static readonly PaperColumn s_plain = new("plain", 45.01, 855, 4304);
    private static readonly PaperColumn s_subscription = new("subscription mode", 49.76, 1976, 4665);
    private static readonly PaperColumn s_request = new("request mode", 47.61, 1525, 4304);
    private static readonly PaperColumn s_batch = new("batch", 3.47, 3676, 7019);

    internal override string Name => "paper";

    internal override string Summary => "Mao et al., Table I: ten questions plain, by subscription, by tickets; ten tickets issued";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        int rounds = effort == Effort.Quick ? 1 : Math.Min(effort.Rounds, MostRounds);
        say("making keys");
        await using Operator all = await Operator.StartAsync((rounds * Questions) + WarmUp, cancellationToken);
        using var asker = new Asker(all);

        // Connections, directory and compiler: none of the columns is to pay for being first.
        say("warming up");
        all.Provider.AnswersAtOnce = true;
        for (int i = 0; i < WarmUp; i++)
        {
            await asker.PlainAsync(cancellationToken);
            await asker.PaidAsync(Operator.Subscription.Id, cancellationToken);
            await asker.PaidAsync(Operator.Request.Id, cancellationToken);
        }

        await asker.SettleAsync();

        all.Provider.AnswersAtOnce = false;
        var measured = new SideBySide();
        Column plain = Add(s_plain, all.ToProvider, asker.PlainAsync);
        Column subscription = Add(s_subscription, all.ToGateway, token => asker.PaidAsync(Operator.Subscription.Id, token));
        Column request = Add(s_request, all.ToGateway, token => asker.PaidAsync(Operator.Request.Id, token));
        await measured.RunAsync(rounds, say, cancellationToken);
        long withHeaders = await asker.HeaderBytesAsync(cancellationToken);

        List<Row> rows = [.. RowsOf(subscription), .. RowsOf(request)];
        foreach ((Plan plan, string type) in ((Plan, string)[])[(Operator.Request, "0x0002"), (Operator.RequestWithMetadata, "0xDA7A")])
        {
            rows.AddRange(await BatchAsync(all, plan, type, effort, say, cancellationToken));
        }

        return rows;

        Column Add(PaperColumn paper, Tunnel tunnel, Func<CancellationToken, Task> ask)
        {
            var column = new Column(paper);
            measured.Add(paper.Name, async token =>
            {
                Traffic before = tunnel.Passed;
                long started = TimeProvider.System.GetTimestamp();
                for (int i = 0; i < Questions; i++)
                {
                    long asked = TimeProvider.System.GetTimestamp();
                    await ask(token);
                    column.Milliseconds.Add(TimeProvider.System.GetElapsedTime(asked).TotalMilliseconds);
                }

                // Of the last question too, so that the ten have cost all that they cost.
                await asker.SettleAsync();

                TimeSpan elapsed = TimeProvider.System.GetElapsedTime(started);
                column.Passed += tunnel.Passed - before;
                return elapsed.TotalSeconds;
            });
            return column;
        }

        Row[] RowsOf(Column mode)
        {
            PaperColumn paper = mode.Paper;
            double seconds = measured.Median(paper.Name);
            double plainSeconds = measured.Median(s_plain.Name);
            (double sent, double received) = PerQuestion(mode);
            (double plainSent, double plainReceived) = PerQuestion(plain);
            return
            [
                new Row(
                    $"paper's 10 questions, {paper.Name}: time added to each", Median(mode.Milliseconds) - Median(plain.Milliseconds), "ms",
                    Text($"median question; 10 questions {seconds:0.000} s, plain {plainSeconds:0.000} s; paper {paper.Seconds} s, plain {s_plain.Seconds} s"),
                    null, OnePercent * Provider.Delay.TotalMilliseconds, Row.Lower),
                new Row(
                    $"paper's 10 questions, {paper.Name}: request bytes added to each", sent - plainSent, "B",
                    Text($"{sent:0.#} B, plain {plainSent:0.#} B; paper {paper.Sent} B, plain {s_plain.Sent} B"), null, paper.Sent - s_plain.Sent, Row.Lower),
                new Row(
                    $"paper's 10 questions, {paper.Name}: response bytes added to each", received - plainReceived, "B",
                    Text($"{received:0.#} B, plain {plainReceived:0.#} B, {withHeaders} B with the headers that OpenAI documents; paper {paper.Received} B, plain {s_plain.Received} B"),
                    null, paper.Received - s_plain.Received, Row.Lower),
            ];
        }

        (double Sent, double Received) PerQuestion(Column column) => ((double)column.Passed.Sent / (rounds * Questions), (double)column.Passed.Received / (rounds * Questions));
    }

    private static async Task<Row[]> BatchAsync(Operator all, Plan plan, string type, Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        using var buyer = new BatchBuyer(all, BatchSize);
        await buyer.ChooseAsync(plan, cancellationToken);
        for (int i = 0; i < WarmUp; i++)
        {
            await buyer.BuyAsync(cancellationToken);
        }

        var whole = new List<double>();
        var request = new List<double>();
        Traffic passed = default;
        for (int round = 1; round <= effort.Rounds; round++)
        {
            say($"round {round} of {effort.Rounds}: batch of {BatchSize}, {type}");
            Traffic before = all.ToIssuer.Passed;
            (TimeSpan tickets, TimeSpan signed) = await buyer.BuyAsync(cancellationToken);
            passed = all.ToIssuer.Passed - before;
            whole.Add(tickets.TotalMilliseconds);
            request.Add(signed.TotalMilliseconds);
        }

        string name = $"paper's batch of {BatchSize} signatures, {type}";
        return
        [
            new Row(
                name + ": time", Median(whole), "ms",
                Text($"from blinding to verified tickets, the HTTP request with its durable debit {Median(request):0.0} ms; paper {s_batch.Seconds} s"), null, 50, Row.Lower),
            new Row(name + ": request bytes", passed.Sent, "B", Text($"paper {s_batch.Sent} B"), null, s_batch.Sent, Row.Lower),
            new Row(name + ": response bytes", passed.Received, "B", Text($"paper {s_batch.Received} B"), null, s_batch.Received, Row.Lower),
        ];
    }

    private static double Median(List<double> figures) => figures.Order().ElementAt(figures.Count / 2);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>A column of the paper's table.</summary>
    private sealed record PaperColumn(string Name, double Seconds, int Sent, int Received);

    /// <summary>The same column here.</summary>
    private sealed class Column(PaperColumn paper)
    {
        public PaperColumn Paper { get; } = paper;

        public List<double> Milliseconds { get; } = [];

        public Traffic Passed { get; set; }
    }
}
