using Tacit.Crypto.Hpke;

namespace Tacit.Crypto;

/// <summary>The recipient's context (RFC 9180 §5.2): opens messages in the order in which they were sealed.</summary>
/// <remarks>Safe for use by several threads at once; the order is then whatever it happens to be.</remarks>
public sealed class HpkeRecipient : IDisposable
{
    private readonly HpkeContext _context;

    internal HpkeRecipient(HpkeContext context) => _context = context;

    internal HpkeContext Context => _context;

    /// <summary>False for a message that was changed, or is not the next one. Such a one does not count: the next one still opens.</summary>
    /// <param name="associatedData">As it was sealed.</param>
    /// <param name="ciphertext">Any length; shorter than 16 bytes is false.</param>
    /// <param name="plaintext">16 bytes shorter than <paramref name="ciphertext"/>, and may begin where that does. Zeros where the result is false.</param>
    public bool TryOpen(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext) =>
        _context.TryOpen(associatedData, ciphertext, plaintext);

    /// <summary>A secret for another use, the same at both sides and for the same context (RFC 9180 §5.3). The caller wipes it.</summary>
    /// <param name="exporterContext">Names the use.</param>
    /// <param name="secret">At most <see cref="HpkeSuite.MaxExportSizeInBytes"/>; its length is part of what it depends on.</param>
    public void Export(ReadOnlySpan<byte> exporterContext, Span<byte> secret) => _context.Export(exporterContext, secret);

    public void Dispose() => _context.Dispose();
}
