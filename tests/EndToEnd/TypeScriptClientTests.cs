using Tacit.EndToEnd.Support;

namespace Tacit.EndToEnd;

/// <summary>The TypeScript client, under Node and in a browser.</summary>
public sealed class TypeScriptClientTests
{
    [Fact]
    public Task Worked_example_replays_and_every_spoiled_reply_is_a_typed_error() => TypeScriptClient.TestAsync("test/wire.test.mjs");
}
