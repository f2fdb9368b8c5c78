using System.Text;
using Tacit.Client;
using Tacit.EndToEnd.Support;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>The tests that share a system of onion services, one after the other.</summary>
[CollectionDefinition(nameof(OverTor))]
public sealed class OverTor : ICollectionFixture<TorWorld>;

/// <summary>The system, started with the first test that asks for it, and a client of it that has tokens.</summary>
public sealed class TorWorld : IAsyncDisposable
{
    public const string User = "user";
    private const int Tokens = 250;
    private const int MaxAttempts = 60;

    private readonly HeldProvider _provider = HeldProvider.Start();
    private readonly Lazy<Task<OnionSystem>> _system;
    private readonly Lazy<Task<TacitClient>> _client;

    public TorWorld()
    {
        _system = new Lazy<Task<OnionSystem>>(StartAsync);
        _client = new Lazy<Task<TacitClient>>(OpenAsync);
    }

    internal HeldProvider Provider => _provider;

    /// <summary>Everything that every part logged.</summary>
    public CapturedLog Log { get; } = new();

    /// <summary>The system. Where there is no Tor the test is skipped.</summary>
    public async Task<OnionSystem> SystemAsync()
    {
        await TestTor.NetworkAsync();
        return await _system.Value;
    }

    /// <summary>The client, whose tor is in the network.</summary>
    public async Task<TacitClient> ClientAsync()
    {
        await SystemAsync();
        return await _client.Value;
    }

    /// <summary>A prompt and its whole reply.</summary>
    public static async Task<string> AskAsync(TacitClient client, string prompt, string? conversation = null, int status = 200)
    {
        await using PromptReply reply = await client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, HeldProvider.Body(prompt), conversation), Ct);
        string text = await ReadAsync(reply);
        Assert.True(status == reply.Status, $"{reply.Status}: {text}");
        return text;
    }

    /// <summary>The rest of a reply.</summary>
    public static async Task<string> ReadAsync(PromptReply reply)
    {
        var text = new StringBuilder();
        byte[] buffer = new byte[4096];
        int read;
        while ((read = await reply.ReadAsync(buffer, Ct)) > 0)
        {
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }

        await reply.CompleteAsync(Ct);
        return text.ToString();
    }

    /// <summary>What the answer says, put together from its events.</summary>
    public static string ContentOf(string reply) => string.Concat(reply.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
        .Select(line => System.Text.Json.JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString()));

    /// <summary>
    /// Makes an account as soon as the issuer can be found. Its service has said that it is published once one directory of Tor's took its descriptor, and on a busy machine a
    /// client may ask the others before they have it.
    /// </summary>
    public static async Task CreateAccountAsync(TacitClient client)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                await client.Account.CreateAsync(Ct);
                return;
            }
            catch (ClientException e) when (attempt < MaxAttempts && e.Message.Contains("was only just started", StringComparison.Ordinal))
            {
                await Task.Delay(TimeSpan.FromSeconds(1), Ct);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_client.IsValueCreated)
        {
            await (await _client.Value).DisposeAsync();
        }

        if (_system.IsValueCreated)
        {
            await (await _system.Value).DisposeAsync();
        }

        await _provider.DisposeAsync();
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private async Task<OnionSystem> StartAsync() => await OnionSystem.StartAsync(await TestTor.NetworkAsync(), _provider.Inference, HeldProvider.Model, Log);

    private async Task<TacitClient> OpenAsync()
    {
        OnionSystem system = await _system.Value;
        TacitClient client = await TacitClient.CreateAsync(system.ClientOptions(User), null, TimeProvider.System, Log, Ct);
        await CreateAccountAsync(client);
        await client.Account.DepositAsync(await system.VoucherAsync(10_000), Ct);
        await client.Filler.FillAsync(OnionSystem.Plan, Tokens, cancellationToken: Ct);
        return client;
    }
}
