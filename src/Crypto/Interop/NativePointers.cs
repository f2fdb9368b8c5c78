using System.Runtime.InteropServices;

namespace Tacit.Crypto.Interop;

/// <summary>A <c>BIGNUM*</c>. Owned by the <see cref="NativeGroup"/> that made it.</summary>
internal readonly record struct BigNum(nint Pointer)
{
    public bool IsNull => Pointer == 0;
}

/// <summary>A <c>BN_MONT_CTX*</c>: a modulus prepared for Montgomery multiplication. Read-only once made, so threads may share it.</summary>
internal readonly record struct Montgomery(nint Pointer);

/// <summary>A <c>BN_CTX*</c>: libcrypto's pool of temporaries. One thread at a time.</summary>
internal readonly record struct BigNumContext(nint Pointer);

/// <summary>An <c>OSSL_PARAM</c>: a named value handed to libcrypto. A list of them ends with an empty one.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeParameter
{
    private const uint OctetStringType = 5; // OSSL_PARAM_OCTET_STRING

    private byte* _name;
    private uint _type;
    private byte* _data;
    private nuint _size;
    private nuint _returned;

    /// <param name="name">A literal: it must stay where it is, and end with a zero.</param>
    internal static NativeParameter OctetString(byte* name, byte* data, int size) =>
        new() { _name = name, _type = OctetStringType, _data = data, _size = (nuint)size, _returned = nuint.MaxValue };
}
