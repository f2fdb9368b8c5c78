using System.Text.Json;
using Tacit.Inference.Tests;

namespace Tacit.EndToEnd.Canary;

/// <summary>A provider that does what the prompt names, well or badly, and lets canaries fly in whatever it says.</summary>
internal static class CanaryProvider
{
    /// <summary>More than the gateway keeps for a reply of <see cref="Support.WholeSystem.Chat"/>, whole and streamed.</summary>
    private const int TooMuch = 1 << 20;
    private const int TooMuchStreamed = 4 << 20;

    public static ScriptedProvider Start(Canaries canaries) => ScriptedProvider.Start(async exchange =>
    {
        string asked = exchange.Request.Text;
        string headers = $"x-request-id: {canaries.ProviderHeader}\r\nSet-Cookie: provider={canaries.ProviderHeader}\r\nopenai-organization: {canaries.ProviderHeader}\r\n";
        switch (Ways.FirstOrDefault(way => asked.Contains($"way:{way}.", StringComparison.Ordinal)))
        {
            case "whole":
                await exchange.JsonAsync(Whole(canaries), headers: headers);
                break;
            case "stream":
                await exchange.BeginEventsAsync(headers);
                await exchange.ChunkAsync(Event(canaries.Reply));
                await exchange.ChunkAsync(Event("!") + "data: [DONE]\n\n");
                await exchange.EndChunksAsync();
                break;
            case "embed":
                await exchange.JsonAsync(
                    """{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,1]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}""", headers: headers);
                break;
            case "respond":
                await exchange.JsonAsync(
                    $$$"""{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m","output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"{{{canaries.Reply}}}","annotations":[]}]}]}""",
                    headers: headers);
                break;
            case "refuse":
                await exchange.JsonAsync(Error($"I will not answer {Echo(asked)}"), 400, headers);
                break;
            case "refuse-with-key":
                await exchange.JsonAsync(Error($"Key {canaries.ProviderKey} may not ask {Echo(asked)}"), 422, headers);
                break;
            case "fail":
                await exchange.JsonAsync(Error($"{Echo(asked)} broke me; {canaries.Reply}"), 500, headers);
                break;
            case "no-json":
                await exchange.JsonAsync($"<html>{canaries.Reply} to {Echo(asked)}</html>", headers: headers);
                break;
            case "half-json":
                await exchange.JsonAsync($$"""{"choices":[{"message":{"content":"{{canaries.Reply}}""", headers: headers);
                break;
            case "break-off":
                await exchange.BeginEventsAsync(headers);
                await exchange.ChunkAsync(Event(canaries.Reply));
                await Task.Delay(50, exchange.Stopping);
                exchange.Reset();
                break;
            case "half-event":
                await exchange.BeginEventsAsync(headers);
                await exchange.ChunkAsync(Event(canaries.Reply) + "data: {\"choices\":[{\"delta\":{\"content\":\"" + canaries.Reply);
                exchange.Close();
                break;
            case "reset":
                exchange.Reset();
                break;
            case "too-much":
                await exchange.JsonAsync(Whole(canaries, TooMuch / canaries.Reply.Length), headers: headers);
                break;
            case "too-much-streamed":
                await exchange.BeginEventsAsync(headers);
                string much = Event(string.Concat(Enumerable.Repeat(canaries.Reply, 1000)));
                for (int sent = 0; sent < TooMuchStreamed; sent += much.Length)
                {
                    await exchange.ChunkAsync(much);
                }

                await exchange.EndChunksAsync();
                break;
            case "pause":
                await exchange.BeginEventsAsync(headers);
                await exchange.ChunkAsync(Event(canaries.Reply));
                await exchange.HangAsync();
                break;
            default:
                await exchange.HangAsync();
                break;
        }
    });

    /// <summary>All ways, but for one that is none of them: to hang.</summary>
    private static IReadOnlyList<string> Ways { get; } =
    [
        "whole", "stream", "embed", "respond", "refuse", "refuse-with-key", "fail", "no-json", "half-json", "break-off", "half-event", "reset", "too-much", "too-much-streamed", "pause",
    ];

    private static string Whole(Canaries canaries, int times = 1) =>
        $$$"""{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"{{{string.Concat(Enumerable.Repeat(canaries.Reply, times))}}}","tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"for\":\"{{{canaries.ToolArguments}}}\"}"}}]},"finish_reason":"tool_calls"}]}""";

    private static string Event(string content) =>
        $$$"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"{{{content}}}"},"finish_reason":null}]}""" + "\n\n";

    private static string Error(string message) => $$$"""{"error":{"message":{{{JsonSerializer.Serialize(message)}}},"type":"invalid_request_error","code":"nope"}}""";

    /// <summary>The request, as servers like to quote it.</summary>
    private static string Echo(string asked) => asked[..Math.Min(asked.Length, 2000)];
}
