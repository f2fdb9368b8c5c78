using Tacit.App;
using Tacit.Client;

namespace Tacit.Cli.Wallets;

/// <summary>A reply as a stream. Read to its end it is completed; left before, cancelled.</summary>
internal sealed class ReplyStream(PromptReply reply) : Stream
{
    public static AskReply Begun(PromptReply reply) => new(
        reply.Status, reply.IsEventStream, new ReplyStream(reply), reply.Plan, [.. PromptNotices.Explain(PromptNotices.Of(reply), reply.Plan)],
        reply.PlanLeft, reply.PlanUntil);

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await reply.ReadAsync(buffer, cancellationToken);
        if (read == 0)
        {
            await reply.CompleteAsync(cancellationToken);
        }
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        // Nothing happens if it was completed. Someone who leaves early wants no more of it.
        await reply.CancelAsync();
        await reply.DisposeAsync();
        await base.DisposeAsync();
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
