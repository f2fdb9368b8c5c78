using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Tacit.App;
using Tacit.Cli.Commands;
using Tacit.Cli.Roles;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Hosting;

namespace Tacit.Cli.Demo;

/// <summary>A demo with <c>--json</c>.</summary>
/// <param name="FirstByteMs">From the start of the process to the first piece of the answer.</param>
/// <param name="AnswerMs">To its last.</param>
internal sealed record DemoResult(string Question, string Answer, string Model, Uri BaseUrl, double FirstByteMs, double AnswerMs, IReadOnlyList<Lap> Timing, Views Seen);

/// <summary>One run of the demo: start, buy, ask, show, and then stay or go.</summary>
internal sealed class DemoRun(Terminal terminal, DemoOptions options, bool once, bool json, bool timing)
{
    private const string Question = "What did you see of me?";

    private readonly TimeProvider _time = TimeProvider.System;
    private string? _keySearch;

    public async Task<int> RunAsync(CancellationToken stop)
    {
        StartTimes times = new(_time);
        times.Add("runtime and command line", 0);
        DataFolder.Create(options.DataDirectory);
        using LineLog log = new(terminal.OpenLog(), LogLevel.Warning, _time);
        using Witness witness = new();
        try
        {
            if (!json)
            {
                terminal.Progress("Starting signer, issuer, gateway, wallet and app …");
            }
            // A person watches it being written; a script waits for the end.
            TimeSpan delay = terminal.IsInteractive ? TimeSpan.FromMilliseconds(8) : TimeSpan.Zero;
            await using DemoServers servers = await DemoServers.StartAsync(options, witness, times, _time, log, progress => _keySearch = progress, delay, stop);
            AppOptions appOptions = DemoClient.Options(options, servers.Issuer.DirectoryKey);
            await using DemoClient user = await DemoClient.StartAsync(appOptions, times, _time, log, stop);
            Purchase purchase = await user.BuyAsync(servers.Issuer, times, _time, stop);
            await servers.Ready.WaitAsync(stop);
            await AskAsync(user, witness, times, purchase, stop);
            if (!once)
            {
                await StayAsync(user, servers, stop);
            }
            return ExitCode.Fine;
        }
        catch (AddressInUseException e) when (e.Setting != "--data")
        {
            throw new CommandException($"{e.Endpoint} is already in use. Stop what listens there (ss -ltnp shows it), or take other ports: tacit demo --port-base N (uses N, N+1 and N+2).");
        }
        catch (AddressInUseException)
        {
            throw new CommandException($"A demo already runs on {options.DataDirectory}. Use it, stop it, or name another folder with --data.");
        }
    }

    private async Task AskAsync(DemoClient user, Witness witness, StartTimes times, Purchase purchase, CancellationToken stop)
    {
        terminal.EndProgress();
        if (!json)
        {
            if (!once)
            {
                terminal.Line(WindowCommand.HasPage
                    ? $"{terminal.Bold($"Open {user.Address} in a browser:")} chat, wallet, and who saw what."
                    : "Built without its page, for want of Node 20: what follows works without.");
                terminal.Line();
            }
            Tell(purchase);
            terminal.Line();
            terminal.Line($"{terminal.Bold("Question")} to {options.Model}, sent to {user.Address}v1 as any OpenAI client would:");
            terminal.Line($"  {Question}");
            terminal.Line();
            terminal.Line(terminal.Bold("Answer"));
        }
        double begin = times.Now;
        double? first = null;
        StringBuilder answer = new();
        AskReply reply = await RunningApp.AskAsync(user.Address, ChatReply.Question(options.Model, Question), null, null, stop);
        await foreach (string piece in ChatReply.ReadAsync(reply, stop))
        {
            if (first is null)
            {
                first = times.Now;
                times.Add("question to first piece of the answer", begin);
            }
            answer.Append(piece);
            if (!json)
            {
                terminal.Untrusted(piece);
            }
        }
        double last = times.Now;
        times.Add("rest of the answer", first ?? begin);
        long credits = (await user.Client.Account.GetAsync(stop)).Credits;
        Views views = Views.Of(options, witness, purchase, credits, await user.Client.Directory.GetAsync(stop));
        if (json)
        {
            terminal.Json(
                new DemoResult(Question, answer.ToString(), options.Model, new Uri(user.Address, "/v1"), Round(first ?? last), Round(last), times.Laps, views), CliJson.Default.DemoResult);
            return;
        }
        terminal.Line();
        terminal.Line();
        Show(views);
        terminal.Line();
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{last / 1000:F2} s from start to answer."));
        if (timing)
        {
            terminal.Table(["from (ms)", "to (ms)", "lasted", "what"], [.. times.Laps.Select(lap => (string[])[Milliseconds(lap.Begin), Milliseconds(lap.End), Milliseconds(lap.Duration), lap.What])]);
        }
    }

    private void Tell(Purchase purchase)
    {
        if (options.LocalServer is { } server)
        {
            terminal.Done($"a real model: {options.Model} of the {server.Program} that listens at {server.BaseUrl} (--no-local-model uses the built-in one)");
        }
        terminal.Done($"signer, issuer at {options.IssuerUrl.GetLeftPart(UriPartial.Authority)}, gateway at {options.GatewayUrl.GetLeftPart(UriPartial.Authority)}, wallet and app: all in this process, for the demo only");
        if (purchase.Deposited > 0)
        {
            terminal.Done(string.Create(CultureInfo.InvariantCulture, $"{(purchase.NewAccount ? "a new account, and " : "")}a voucher of {purchase.Deposited} credits deposited"));
        }
        terminal.Done(string.Create(CultureInfo.InvariantCulture, $"{purchase.Fill.Received} tokens of plan {purchase.Fill.Plan} bought: signed blind, so that nobody can tell which account a token came from"));
    }

    private void Show(Views views)
    {
        terminal.Line(terminal.Bold("What each part saw"));
        string part = "";
        List<string[]> rows = [];
        foreach (Sight sight in views.Sights)
        {
            rows.Add([sight.Part == part ? "" : sight.Part, sight.What, sight.Value]);
            part = sight.Part;
        }
        rows.Add(["links", "in common", string.Create(
            CultureInfo.InvariantCulture,
            $"{(views.CommonValues == 0 ? "nothing" : views.CommonValues.ToString(CultureInfo.InvariantCulture))}: {views.IdentityValues} values seen by issuer and signer, {views.AnonymousValues} by the gateway, {views.CommonValues} by both")]);
        terminal.Table(["part", "what", "value"], rows);
        terminal.Line("Here one process plays every part. In a deployment they run apart, and each sees only its own rows.");
    }

    private async Task StayAsync(DemoClient user, DemoServers servers, CancellationToken stop)
    {
        string baseUrl = user.Address + "v1";
        string data = options.DataDirectory;
        terminal.Line();
        terminal.Line(terminal.Bold("It keeps running. Try:"));
        if (WindowCommand.HasPage)
        {
            terminal.Line($"  {user.Address} in a browser, or as a window: tacit --data {data}");
        }
        terminal.Line($"  tacit chat --data {data}");
        terminal.Line($"  curl {baseUrl}/chat/completions -H 'Content-Type: application/json' \\");
        terminal.Line($"    -d '{{\"model\":\"{options.Model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello\"}}]}}'");
        terminal.Line($"  OPENAI_BASE_URL={baseUrl} OPENAI_API_KEY=any some-program");
        terminal.Line($"  tacit ask \"Hello\" --data {data}");
        terminal.Line($"  tacit wallet show --data {data}");
        terminal.Line($"  tacit voucher create --credits 50 --data {data}");
        terminal.Line($"  {new Uri(options.GatewayUrl, "/demo")}   in a browser: the protocol itself, step by step");
        terminal.Line("Ctrl-C ends it.");
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task watch = WatchKeysAsync(servers, ended.Token);
        await RoleHost.WaitAsync(stop);
        await ended.CancelAsync();
        await watch;
        terminal.EndProgress();
    }

    /// <summary>Shows the search for the 0xDA7A key, which the first run begins and which may take minutes.</summary>
    private async Task WatchKeysAsync(DemoServers servers, CancellationToken stop)
    {
        if (servers.Signer.AllKeysReady.IsCompleted)
        {
            return;
        }
        try
        {
            while (!servers.Signer.AllKeysReady.IsCompleted)
            {
                terminal.Progress(_keySearch ?? "searching the key of the 0xDA7A plans in the background");
                await Task.WhenAny(servers.Signer.AllKeysReady, Task.Delay(TimeSpan.FromSeconds(terminal.ErrorIsTerminal ? 1 : 30), _time, stop));
                stop.ThrowIfCancellationRequested();
            }
            await servers.Signer.AllKeysReady;
            terminal.EndProgress();
            terminal.Note("The key of the 0xDA7A plans is there: tacit wallet fill --plan chat-large");
        }
        catch (OperationCanceledException)
        {
            // The demo ends before the search does; the next run begins it anew.
        }
    }

    private static double Round(double milliseconds) => Math.Round(milliseconds, 1);

    private static string Milliseconds(double milliseconds) => milliseconds.ToString("F0", CultureInfo.InvariantCulture);
}
