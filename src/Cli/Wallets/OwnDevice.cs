using System.Globalization;
using System.Text.Json;
using Tacit.App;
using Tacit.Client;

namespace Tacit.Cli.Wallets;

/// <summary>A gateway that knows this device, asked by the command itself: a device has nothing that only one process may have.</summary>
internal sealed class OwnDevice(DeviceClient client) : IQuestionAccess
{
    public static OwnDevice Open(AppOptions options, Terminal terminal) => new(options.OpenDevice(TimeProvider.System, new WorkReport(terminal), new TorReport(terminal)));

    public async Task<AskReply> AskAsync(ReadOnlyMemory<byte> body, string? plan, string? conversation, CancellationToken cancellationToken, PromptTrace? trace = null) =>
        ReplyStream.Begun(await client.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, body, conversation, plan) { Trace = trace }, cancellationToken));

    /// <summary>The models that the gateway lists.</summary>
    public async Task<IReadOnlyList<string>> GetModelsAsync(CancellationToken cancellationToken)
    {
        try
        {
            using JsonDocument models = JsonDocument.Parse(await client.GetModelsAsync(cancellationToken));
            return [.. models.RootElement.GetProperty("data").EnumerateArray().Select(model => model.GetProperty("id").GetString()!)];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // As if it listed none.
            return [];
        }
    }

    /// <summary>The first of them.</summary>
    public async Task<string> DefaultModelAsync(CancellationToken cancellationToken) =>
        await GetModelsAsync(cancellationToken) is [string first, ..] ? first : throw new CommandException("The gateway lists no model. Name one with --model.");

    public Task<Way> GetWayAsync(CancellationToken cancellationToken) => Task.FromResult(new Way(client.Transports.Status, [client.Gateway]));

    public ValueTask DisposeAsync() => client.DisposeAsync();

    /// <summary>Says how far a proof of work is.</summary>
    internal sealed class WorkReport(Terminal terminal) : IProgress<WorkProgress>
    {
        public void Report(WorkProgress value) => terminal.Progress(string.Create(
            CultureInfo.InvariantCulture, $"The gateway is busy and asks for work: {value.Tried / 1e6:0.0} of about {Math.Pow(2, value.Bits) / 1e6:0.0} million tries"));
    }
}
