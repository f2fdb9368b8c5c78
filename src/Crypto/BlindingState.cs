using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto;

/// <summary>
/// What the client keeps between Blind and Finalize (RFC 9474 §4.4): the inverse of the blinding factor and the encoded message. Good
/// for one answer; wiped afterwards and on disposal.
/// </summary>
/// <remarks>One thread at a time.</remarks>
public sealed class BlindingState : IDisposable
{
    private readonly RsaPublicNumbers _key;
    private readonly Secrets _secrets;
    private int _used;

    private BlindingState(RsaPublicNumbers key, Secrets secrets)
    {
        _key = key;
        _secrets = secrets;
    }

    internal static BlindingState? TryCreate(
        RsaPublicNumbers key, ReadOnlySpan<byte> encodedMessage, ReadOnlySpan<byte> factor, Span<byte> blindedMessage)
    {
        using NativeGroup.Lease lease = key.Use();
        ThreadScratch scratch = ThreadScratch.Current;
        BigNumContext context = scratch.Context;
        Secrets secrets = new(key);
        try
        {
            secrets.Message.Read(encodedMessage);
            BigNum r = scratch.A;
            r.Read(factor);
            if (r.IsZero() || !r.IsBelow(key.N))
            {
                secrets.Dispose();
                return null;
            }

            // One inversion says that factor and message are both coprime with n: (r·m)⁻¹ exists only then, and times m it is r⁻¹.
            // A greatest common divisor for the message alone would take longer than the inversion.
            BigNum message = scratch.C; // in Montgomery form, so that a product with a plain number is plain
            LibCrypto.Check(LibCrypto.BN_to_montgomery(message, secrets.Message, key.MontgomeryN, context));
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.Secret, r, message, key.MontgomeryN, context));
            if (!secrets.Undo.TryInvert(scratch.Secret, key.N, context))
            {
                secrets.Dispose();
                return null;
            }

            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(secrets.Undo, secrets.Undo, message, key.MontgomeryN, context));
            LibCrypto.Check(LibCrypto.BN_to_montgomery(secrets.Undo, secrets.Undo, key.MontgomeryN, context));

            key.Power(scratch.B, r, context);
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.B, scratch.B, message, key.MontgomeryN, context));
            scratch.B.Write(blindedMessage);
            return new BlindingState(key, secrets);
        }
        catch
        {
            secrets.Dispose();
            throw;
        }
        finally
        {
            scratch.A.Clear();
            scratch.B.Clear();
            scratch.C.Clear();
            scratch.ClearSecrets();
        }
    }

    /// <summary>Unblinds the signer's answer and verifies the signature. Whatever the outcome, the state is used up.</summary>
    /// <param name="blindSignature">What the signer sent.</param>
    /// <param name="signature">Exactly as long as the modulus; holds zeros when false is returned.</param>
    /// <returns>False when the answer is no signature of this message under this key, or has the wrong length or range.</returns>
    /// <exception cref="InvalidOperationException">The state was used before.</exception>
    public bool TryFinalize(ReadOnlySpan<byte> blindSignature, Span<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(signature.Length, _key.ModulusSize);
        if (Interlocked.Exchange(ref _used, 1) != 0)
        {
            throw new InvalidOperationException("A blinding state finalizes one answer.");
        }

        try
        {
            signature.Clear();
            if (blindSignature.Length != _key.ModulusSize)
            {
                return false;
            }

            using NativeGroup.Lease lease = _secrets.Use();
            ThreadScratch scratch = ThreadScratch.Current;
            BigNumContext context = scratch.Context;
            try
            {
                scratch.A.Read(blindSignature);
                if (scratch.A.IsZero() || !scratch.A.IsBelow(_key.N))
                {
                    return false;
                }

                LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.B, scratch.A, _secrets.Undo, _key.MontgomeryN, context));

                // s^e is compared with the encoded message whole. RSASSA-PSS-VERIFY would accept any salt; this one accepts ours only,
                // and any signature that passes here passes there.
                _key.Power(scratch.C, scratch.B, context);
                if (!scratch.C.EqualsNumber(_secrets.Message))
                {
                    return false;
                }

                scratch.B.Write(signature);
                return true;
            }
            finally
            {
                scratch.A.Clear();
                scratch.B.Clear();
                scratch.C.Clear();
            }
        }
        finally
        {
            _secrets.Dispose();
        }
    }

    public void Dispose()
    {
        Interlocked.Exchange(ref _used, 1);
        _secrets.Dispose();
    }

    internal bool IsWiped => _secrets.IsClosed;

    private sealed class Secrets : NativeGroup
    {
        private readonly RsaPublicNumbers _key;

        internal Secrets(RsaPublicNumbers key)
        {
            _key = key;
            bool added = false;
            key.DangerousAddRef(ref added);
            Message = NewSecret();
            Undo = NewSecret();
        }

        internal BigNum Message { get; }

        /// <summary>r⁻¹ in Montgomery form.</summary>
        internal BigNum Undo { get; }

        protected override bool ReleaseHandle()
        {
            bool released = base.ReleaseHandle();
            _key.DangerousRelease();
            return released;
        }
    }
}
