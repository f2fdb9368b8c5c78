using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Tacit.Protocol;

namespace Tacit.Gateway.Chains;

/// <summary>
/// A body in the chunked coding of HTTP/1.1 (RFC 9112, section 7.1), framed here because the server frames bodies itself but sends no trailers in that version.
/// What is written between two flushes is one chunk.
/// </summary>
internal sealed class ChunkedBody(PipeWriter inner) : PipeWriter, IDisposable
{
    private readonly SensitiveBuffer _chunk = new(4096);

    public override void Advance(int bytes) => _chunk.Advance(bytes);

    public override Memory<byte> GetMemory(int sizeHint = 0) => _chunk.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => _chunk.GetSpan(sizeHint);

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        WriteChunk();
        return inner.FlushAsync(cancellationToken);
    }

    /// <summary>Ends the body, with one trailer field or none.</summary>
    public async ValueTask EndAsync(string trailer, string? value, CancellationToken cancellationToken)
    {
        WriteChunk();
        inner.Write("0\r\n"u8);
        if (value is not null)
        {
            Encoding.ASCII.GetBytes($"{trailer}: {value}\r\n", inner);
        }

        inner.Write("\r\n"u8);
        await inner.FlushAsync(cancellationToken);
    }

    public void Dispose() => _chunk.Dispose();

    private void WriteChunk()
    {
        if (_chunk.WrittenCount == 0)
        {
            return;
        }

        Span<byte> size = stackalloc byte[8];
        _ = _chunk.WrittenCount.TryFormat(size, out int digits, "x");
        inner.Write(size[..digits]);
        inner.Write("\r\n"u8);
        inner.Write(_chunk.WrittenSpan);
        inner.Write("\r\n"u8);
        _chunk.Clear();
    }
}
