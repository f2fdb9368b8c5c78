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
