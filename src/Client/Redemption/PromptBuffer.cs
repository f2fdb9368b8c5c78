using System.Buffers;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>A growing buffer for a prompt, from pooled bytes that are wiped when it grows and when it is disposed (law 4).</summary>
public sealed class PromptBuffer : IBufferWriter<byte>, IDisposable
{
    private readonly SensitiveBuffer _buffer = new(16 * 1024);

    /// <summary>What was written; invalid after the next growth and after disposal.</summary>
    public ReadOnlyMemory<byte> Written => _buffer.WrittenMemory;

    public void Advance(int count) => _buffer.Advance(count);

    public Memory<byte> GetMemory(int sizeHint = 0) => _buffer.GetMemory(sizeHint);

    public Span<byte> GetSpan(int sizeHint = 0) => _buffer.GetSpan(sizeHint);

    public void Dispose() => _buffer.Dispose();
}
