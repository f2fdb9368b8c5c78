using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>Which libcrypto does the work and how, for an operator to see.</summary>
public static class CryptoEngine
{
    /// <summary>The library's own words, such as <c>OpenSSL 3.0.19 27 Jan 2026</c>.</summary>
    /// <exception cref="DllNotFoundException">There is no OpenSSL 3; the message says what to install.</exception>
    public static string Version => LibCryptoLoader.Version;

    /// <summary>Whether both halves of a private operation run at once (AVX512-IFMA), or one after the other. Chosen at start.</summary>
    public static bool PairsExponentiations => LibCryptoLoader.HasPairedExponentiation.Value;
}
