using Tacit.Crypto.Hpke;

namespace Tacit.Crypto;

/// <summary>The sender's context (RFC 9180 §5.2): seals messages that open in the same order.</summary>
/// <remarks>Safe for use by several threads at once; the order is then whatever it happens to be.</remarks>
public sealed class HpkeSender : IDisposable
{
    private readonly HpkeContext _context;

    internal HpkeSender(HpkeContext context) => _context = context;

    internal HpkeContext Context => _context;

    /// <param name="associatedData">Any length; authenticated, not sealed.</param>
    /// <param name="plaintext">Any length.</param>
    /// <param name="ciphertext">16 bytes longer than <paramref name="plaintext"/>, and may begin where that does.</param>
    public void Seal(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext) =>
        _context.Seal(associatedData, plaintext, ciphertext);

    /// <summary>A secret for another use, the same at both sides and for the same context (RFC 9180 §5.3). The caller wipes it.</summary>
    /// <param name="exporterContext">Names the use.</param>
    /// <param name="secret">At most <see cref="HpkeSuite.MaxExportSizeInBytes"/>; its length is part of what it depends on.</param>
    public void Export(ReadOnlySpan<byte> exporterContext, Span<byte> secret) => _context.Export(exporterContext, secret);

    public void Dispose() => _context.Dispose();
}
