using System.IO.Pipelines;
using System.Text;
using Tacit.Cli.Wallets;

namespace Tacit.Cli.Tests;

/// <summary>Replies of a gateway that means no good.</summary>
public sealed class ChatReplyTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("data: ")]
    [InlineData(": ")]
    public async Task Reply_that_never_ends_is_left(string begun)
    {
        var pipe = new Pipe();
        Task endless = WriteEndlesslyAsync(pipe.Writer, begun);

        CommandException error = await Assert.ThrowsAsync<CommandException>(async () =>
        {
            await foreach (string piece in ChatReply.ReadAsync(new AskReply(200, true, pipe.Reader.AsStream(), null, []), Ct))
            {
                Assert.Fail("Nothing in it is a piece of an answer.");
            }
        });

        Assert.Contains("does not end", error.Message, StringComparison.Ordinal);
        await endless;
    }

    [Theory]
    [InlineData("""{"error":{"message":"\ud800"}}""")]
    [InlineData("""{"error":{"code":"\udc00","message":"full"}}""")]
    [InlineData("""{"error":[]}""")]
    [InlineData("""{"error":""")]
    public void Error_that_is_no_text_explains_nothing(string body) => Assert.Null(ChatReply.ExplainError(Encoding.UTF8.GetBytes(body)));

    private static async Task WriteEndlesslyAsync(PipeWriter writer, string begun)
    {
        await writer.WriteAsync(Encoding.UTF8.GetBytes(begun), Ct);
        byte[] more = Encoding.UTF8.GetBytes(new string('x', 1 << 20));
        while (!(await writer.WriteAsync(more, Ct)).IsCompleted)
        {
        }
    }
}
