using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Tacit.Crypto.Interop;

/// <summary>Finds libcrypto and says what it can do on this processor.</summary>
internal static partial class LibCryptoLoader
{
    // The name under which .NET's own cryptography has OpenSSL 3 loaded already: the loader then gives the same copy, so there is one
    // random generator and one set of CPU settings in the process.
    private const string SharedObject = "libcrypto.so.3";

    private const int InfoCpuSettings = 1008;

    private static readonly Lazy<nint> Library = new(Load);

    /// <summary>Whether libcrypto computes two 1024-bit exponentiations in the time of about one (AVX512-IFMA).</summary>
    internal static readonly Lazy<bool> HasPairedExponentiation = new(() => PairsExponentiations(CpuSettings()));

    internal static void Register() => NativeLibrary.SetDllImportResolver(
        typeof(LibCryptoLoader).Assembly, static (name, _, _) => name == LibCrypto.Name ? Library.Value : 0);

    internal static string Version => Marshal.PtrToStringUTF8(LibCryptoInfo.OpenSSL_version(0)) ?? "OpenSSL";

    /// <summary>
    /// Reads what <c>OPENSSL_ia32cap</c> settled on, environment included. libcrypto decides by the same word; asking the processor
    /// instead would miss a capability that the operator has masked off.
    /// </summary>
    /// <remarks>Second 64-bit word, low half = CPUID.7.EBX: bit 16 AVX512F, 17 DQ, 21 IFMA, 31 VL.</remarks>
    internal static bool PairsExponentiations(string? cpuSettings)
    {
        const string marker = "OPENSSL_ia32cap=0x";
        const ulong needed = 1u << 16 | 1u << 17 | 1u << 21 | 1u << 31;
        int start = cpuSettings?.IndexOf(marker, StringComparison.Ordinal) ?? -1;
        if (start < 0)
        {
            return false; // another architecture
        }

        int colon = cpuSettings!.IndexOf(":0x", start, StringComparison.Ordinal);
        if (colon < 0)
        {
            return false;
        }

        ReadOnlySpan<char> word = cpuSettings.AsSpan(colon + 3);
        int length = word.IndexOfAnyExcept("0123456789abcdefABCDEF".AsSpan());
        return ulong.TryParse(length < 0 ? word : word[..length], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong capabilities)
            && (capabilities & needed) == needed;
    }

    private static string? CpuSettings() => Marshal.PtrToStringUTF8(LibCryptoInfo.OPENSSL_info(InfoCpuSettings));

    private static nint Load()
    {
        if (NativeLibrary.TryLoad(SharedObject, Assembly.GetExecutingAssembly(), null, out nint library))
        {
            return library;
        }

        throw new DllNotFoundException(
            $"Tacit needs OpenSSL 3 ({SharedObject}). Install it (Debian: apt install libssl3); OpenSSL 1.1 is not supported.");
    }
}

internal static partial class LibCryptoInfo
{
    static LibCryptoInfo() => System.Runtime.CompilerServices.RuntimeHelpers.RunClassConstructor(typeof(LibCrypto).TypeHandle);

    [LibraryImport(LibCrypto.Name)]
    internal static partial nint OPENSSL_info(int type);

    [LibraryImport(LibCrypto.Name)]
    internal static partial nint OpenSSL_version(int type);
}
