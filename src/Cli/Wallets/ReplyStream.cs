using Tacit.App;
using Tacit.Client;

namespace Tacit.Cli.Wallets;

/// <summary>A reply as a stream. Read to its end it is completed; left before, cancelled.</summary>
internal sealed class ReplyStream(PromptReply reply) : ReadOnlyStream
{
    public static AskReply Begun(PromptReply reply) => new(
        reply.Status, reply.IsEventStream, new ReplyStream(reply), reply.Plan, [.. PromptNotices.Explain(PromptNotices.Of(reply), reply.Plan)],
        reply.PlanLeft, reply.PlanUntil);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await reply.ReadAsync(buffer, cancellationToken);
        if (read == 0)
        {
            await reply.CompleteAsync(cancellationToken);
        }
        return read;
    }

    public override async ValueTask DisposeAsync()
    {
        // Nothing happens if it was completed. Someone who leaves early wants no more of it.
        await reply.CancelAsync();
        await reply.DisposeAsync();
        await base.DisposeAsync();
    }
}
