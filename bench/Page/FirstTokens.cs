using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Tacit.Bench.Harness;
using Tacit.Bench.Tor;

namespace Tacit.Bench.Page;

/// <summary>
/// The time from a question to the first piece of its answer, three ways in turns: straight from the gateway with a token made beforehand, through the app's <c>/v1</c>, and
/// as the page asks. What the last two take beyond the first is the app's: wallet and journal, its HTTP, and for the page the conversation's store and the event.
/// </summary>
internal sealed class FirstTokens(PageSystem system, Uri events) : IDisposable
{
    private const int PerRound = 20;

    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null });
    private readonly List<double> _direct = [], _v1 = [], _page = [];
    private int _asked;

    /// <summary>How many tokens of the wallet a run takes.</summary>
    internal static int Tokens(Effort effort) => 2 * PerRound * (effort.Rounds + 1);

    internal async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        Queue<string> tokens = await Mint.MakeAsync(system.Signer, PageSystem.Plan, PageSystem.IssuerName, PageSystem.GatewayName, PerRound * (effort.Rounds + 1), cancellationToken);
        using HttpResponseMessage stream = await GetAsync(events, cancellationToken);
        using var reader = new StreamReader(await stream.Content.ReadAsStreamAsync(cancellationToken), Encoding.UTF8);
        string conversation = await NewConversationAsync(cancellationToken);
        string? parent = null;
        for (int round = 0; round <= effort.Rounds; round++)
        {
            say($"first token, round {round} of {effort.Rounds}");
            for (int i = 0; i < PerRound; i++)
            {
                double direct = await StreamAsync(new Uri(system.Gateway, "/v1/chat/completions"), ("Authorization", tokens.Dequeue()), cancellationToken);
                double v1 = await StreamAsync(new Uri(system.App, "/v1/chat/completions"), ("Tacit-Conversation", "bench"), cancellationToken);
                (double page, parent) = await AskAsync(reader, conversation, parent, cancellationToken);
                if (round > 0)
                {
                    _direct.Add(direct);
                    _v1.Add(v1);
                    _page.Add(page);
                }
            }

            // A conversation is asked with all that was said in it.
            conversation = await NewConversationAsync(cancellationToken);
            parent = null;
        }

        return [Added("the page", _page), Added("/v1", _v1)];
    }

    public void Dispose() => _http.Dispose();

    internal async Task<string> NewConversationAsync(CancellationToken cancellationToken)
    {
        using HttpResponseMessage made = await PostAsync(new Uri(system.App, "/app/conversations"), "{}", cancellationToken, ("Tacit-Page", "1"));
        using JsonDocument document = JsonDocument.Parse(await made.Content.ReadAsByteArrayAsync(cancellationToken));
        return document.RootElement.GetProperty("id").GetString()!;
    }

    internal async Task<HttpResponseMessage> PostAsync(Uri address, string body, CancellationToken cancellationToken, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        foreach ((string name, string value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
        return response.IsSuccessStatusCode ? response : throw new InvalidOperationException($"{address} answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellationToken)}");
    }

    internal async Task<HttpResponseMessage> GetAsync(Uri address, CancellationToken cancellationToken, string encoding = "identity")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        request.Headers.TryAddWithoutValidation("Tacit-Page", "1");
        request.Headers.TryAddWithoutValidation("Accept-Encoding", encoding);
        HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
        return response.IsSuccessStatusCode ? response : throw new InvalidOperationException($"{address} answered {(int)response.StatusCode}.");
    }

    private Row Added(string way, List<double> figures) => new(
        $"first token: p50 that the app adds, asked by {way}", Median(figures) - Median(_direct), "ms",
        string.Create(CultureInfo.InvariantCulture, $"by {way} {Median(figures):0.0} ms, straight from the gateway with a token made beforehand {Median(_direct):0.0} ms; p90 {Percentile(figures, 0.9):0.0} and {Percentile(_direct, 0.9):0.0} ms; {figures.Count} each, in turns, directly on loopback, connections kept"),
        null, 5, Row.Lower);

    private async Task<double> StreamAsync(Uri address, (string Name, string Value) header, CancellationToken cancellationToken)
    {
        string body = $$"""{"model":"{{PacedProvider.Model}}","stream":true,"messages":[{"role":"user","content":"question {{++_asked}}"}]}""";
        long started = Stopwatch.GetTimestamp();
        using HttpResponseMessage response = await PostAsync(address, body, cancellationToken, header);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken), Encoding.UTF8);
        while (await reader.ReadLineAsync(cancellationToken) is string line)
        {
            if (line.Contains(PacedProvider.Answer, StringComparison.Ordinal))
            {
                double took = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
                await reader.ReadToEndAsync(cancellationToken);
                return took;
            }
        }

        throw new InvalidOperationException("An answer ended before it began.");
    }

    /// <summary>Asks as the page does, and reads its events until the answer has ended.</summary>
    private async Task<(double Milliseconds, string Message)> AskAsync(StreamReader stream, string conversation, string? parent, CancellationToken cancellationToken)
    {
        string question = $"question {++_asked}";
        string begin = parent is null ? "{" : $$"""{"parent":"{{parent}}",""";
        string body = begin + $$""" "model":"{{PacedProvider.Model}}","text":"{{question}}"}""";
        long started = Stopwatch.GetTimestamp();
        Task<HttpResponseMessage> asking = PostAsync(new Uri(system.App, $"/app/conversations/{conversation}/messages"), body, cancellationToken, ("Tacit-Page", "1"));
        // Events go on for ever: a question that is refused must not be waited for.
        using CancellationTokenSource refused = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = asking.ContinueWith(_ => refused.Cancel(), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        double? first = null;
        string name = "";
        while (await stream.ReadLineAsync(refused.Token) is string line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                name = line[7..];
            }
            else if (name == "delta" && line.StartsWith("data: ", StringComparison.Ordinal))
            {
                first ??= Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            }
            else if (name == "message" && line.StartsWith("data: ", StringComparison.Ordinal))
            {
                using JsonDocument told = JsonDocument.Parse(line.AsMemory(6));
                JsonElement message = told.RootElement.GetProperty("message");
                if (message.GetProperty("role").GetString() == "assistant" && message.GetProperty("state").GetString() is string state && state != "generating")
                {
                    (await asking).Dispose();
                    return state == "done" && first is double took
                        ? (took, message.GetProperty("id").GetString()!)
                        : throw new InvalidOperationException("A question of the page was not answered: " + line);
                }
            }
        }

        throw new InvalidOperationException("The events ended.");
    }

    internal static double Median(IEnumerable<double> figures) => Percentile(figures, 0.5);

    internal static double Percentile(IEnumerable<double> figures, double part) => TorSuite.Percentile(figures, part);
}
