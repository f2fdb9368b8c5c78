using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>A private key for one public exponent, and the checked, base-blinded private operation with it. Shared by threads.</summary>
/// <remarks>
/// Keys derived from one partially blind key share its <see cref="CrtModulus"/>; each has its own exponents and blinding pairs.
/// </remarks>
internal sealed class CrtKey : NativeGroup
{
    // Up to this length e is raised modulo n with no secret in sight; a longer one goes modulo p and modulo q.
    private const int ShortExponentBits = 64;

    private readonly bool _ownsModulus;
    private readonly bool _hasShortExponent;
    private readonly BlindingPair?[] _pairs = new BlindingPair?[Environment.ProcessorCount];

    private volatile bool _distrustsProducts;

    /// <param name="modulus">The primes.</param>
    /// <param name="publicExponent">Big-endian.</param>
    /// <param name="ownsModulus">Whether disposing this key disposes the primes too.</param>
    /// <exception cref="CryptographicException">The exponent has no inverse.</exception>
    internal CrtKey(CrtModulus modulus, ReadOnlySpan<byte> publicExponent, bool ownsModulus)
    {
        Modulus = modulus;
        bool added = false;
        modulus.DangerousAddRef(ref added);
        _ownsModulus = ownsModulus;

        BigNumContext context = ThreadScratch.Current.Context;
        E = NewNumber();
        E.Read(publicExponent);
        _hasShortExponent = E.Bits() <= ShortExponentBits;
        (DModPMinus1, MinusEModPMinus1) = (NewSecret(), NewSecret());
        (DModQMinus1, MinusEModQMinus1) = (NewSecret(), NewSecret());

        // e is below p − 1 and q − 1: 32 bits against 1024, or λ − 2 bits for a derived one of λ-bit primes.
        if (!E.IsBelow(modulus.PMinus1) || !E.IsBelow(modulus.QMinus1)
            || !DModPMinus1.TryInvert(E, modulus.PMinus1, context) || !DModQMinus1.TryInvert(E, modulus.QMinus1, context))
        {
            Dispose();
            throw new CryptographicException("The public exponent is not invertible for these primes.");
        }

        LibCrypto.Check(LibCrypto.BN_sub(MinusEModPMinus1, modulus.PMinus1, E));
        LibCrypto.Check(LibCrypto.BN_sub(MinusEModQMinus1, modulus.QMinus1, E));
    }

    internal CrtModulus Modulus { get; }

    internal BigNum E { get; }

    internal BigNum DModPMinus1 { get; }

    internal BigNum DModQMinus1 { get; }

    internal BigNum MinusEModPMinus1 { get; }

    internal BigNum MinusEModQMinus1 { get; }

    /// <summary>Tests break a half of the exponentiation here, between computing and recombining.</summary>
    internal Action<BigNum, BigNum>? HalvesComputed { get; set; }

    /// <summary>Whether a failed product check has sent this key back to single checks for good.</summary>
    internal bool DistrustsProducts => _distrustsProducts;

    internal BlindSignStatus Sign(ReadOnlySpan<byte> blinded, Span<byte> signature)
    {
        using Lease lease = Use();
        ThreadScratch scratch = ThreadScratch.Current;
        if (!IsInRange(blinded, scratch))
        {
            signature.Clear();
            return BlindSignStatus.InvalidInput;
        }

        BlindingPair pair = RentPair();
        try
        {
            return SignChecked(blinded, signature, pair, scratch);
        }
        finally
        {
            ReturnPair(pair);
        }
    }

    internal BlindSignStatus SignBatch(
        IReadOnlyList<ReadOnlyMemory<byte>> blinded, Span<byte> signatures, out int failedIndex)
    {
        using Lease lease = Use();
        ThreadScratch scratch = ThreadScratch.Current;
        for (int i = 0; i < blinded.Count; i++)
        {
            if (!IsInRange(blinded[i].Span, scratch))
            {
                signatures.Clear();
                failedIndex = i;
                return BlindSignStatus.InvalidInput;
            }
        }

        BlindingPair pair = RentPair();
        BlindSignStatus status = BlindSignStatus.FaultDetected;
        try
        {
            // A short exponent is cheaper to check singly than a product is to form, and a single check is the stronger one.
            bool byProduct = !_hasShortExponent && !_distrustsProducts && blinded.Count >= ProductCheck.MinimumCount;
            status = byProduct
                ? SignCheckedByProduct(blinded, signatures, pair, scratch, out failedIndex)
                : SignCheckedSingly(blinded, signatures, pair, scratch, out failedIndex);
            return status;
        }
        finally
        {
            if (status != BlindSignStatus.Success)
            {
                signatures.Clear();
            }

            ReturnPair(pair);
        }
    }

    private BlindSignStatus SignCheckedByProduct(
        IReadOnlyList<ReadOnlyMemory<byte>> blinded, Span<byte> signatures, BlindingPair pair, ThreadScratch scratch, out int failedIndex)
    {
        int size = Modulus.ModulusSize;
        for (int i = 0; i < blinded.Count; i++)
        {
            if (!TryCompute(blinded[i].Span, signatures.Slice(i * size, size), pair, scratch))
            {
                failedIndex = i;
                return BlindSignStatus.InvalidInput;
            }
        }

        using (ProductCheck check = new(Modulus, E))
        {
            if (check.Holds(blinded, signatures, scratch))
            {
                failedIndex = -1;
                return BlindSignStatus.Success;
            }
        }

        // The product check is sound but not equally so against every fault (see there), so whoever can cause faults gets one try at it.
        _distrustsProducts = true;
        pair.Discard();
        signatures.Clear();
        return SignCheckedSingly(blinded, signatures, pair, scratch, out failedIndex);
    }

    private BlindSignStatus SignCheckedSingly(
        IReadOnlyList<ReadOnlyMemory<byte>> blinded, Span<byte> signatures, BlindingPair pair, ThreadScratch scratch, out int failedIndex)
    {
        int size = Modulus.ModulusSize;
        for (int i = 0; i < blinded.Count; i++)
        {
            BlindSignStatus status = SignChecked(blinded[i].Span, signatures.Slice(i * size, size), pair, scratch);
            if (status != BlindSignStatus.Success)
            {
                failedIndex = i;
                return status;
            }
        }

        failedIndex = -1;
        return BlindSignStatus.Success;
    }

    /// <summary>A passing fault costs one repetition; one that stays is reported, and nothing leaves.</summary>
    private BlindSignStatus SignChecked(ReadOnlySpan<byte> blinded, Span<byte> signature, BlindingPair pair, ThreadScratch scratch)
    {
        for (int attempt = 0; attempt < 2; attempt++)
        {
            if (!TryCompute(blinded, signature, pair, scratch))
            {
                signature.Clear();
                return BlindSignStatus.InvalidInput;
            }

            if (Holds(blinded, signature, scratch))
            {
                return BlindSignStatus.Success;
            }

            signature.Clear();
            pair.Discard();
        }

        return BlindSignStatus.FaultDetected;
    }

    /// <summary>The unchecked private operation. False when the number shares a prime with n.</summary>
    private bool TryCompute(ReadOnlySpan<byte> blinded, Span<byte> signature, BlindingPair pair, ThreadScratch scratch)
    {
        BigNumContext context = scratch.Context;
        pair.Advance(scratch);
        scratch.A.Read(blinded);
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.Secret, scratch.A, pair.Factor, Modulus.MontgomeryN, context));
        Modulus.Reduce(scratch.Secret, scratch.HalfP, scratch.HalfQ, context);
        bool coprime = !scratch.HalfP.IsZero() && !scratch.HalfQ.IsZero();
        if (coprime)
        {
            Modulus.Power(
                scratch.PowerP, scratch.HalfP, DModPMinus1, scratch.PowerQ, scratch.HalfQ, DModQMinus1, context);
            HalvesComputed?.Invoke(scratch.PowerP, scratch.PowerQ);
            Modulus.Combine(scratch.Secret, scratch.PowerP, scratch.PowerQ, context);
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.A, scratch.Secret, pair.Undo, Modulus.MontgomeryN, context));
            scratch.A.Write(signature);
        }

        scratch.ClearSecrets();
        return coprime;
    }

    /// <summary>signature^e = blinded, over the very bytes that would leave.</summary>
    /// <remarks>
    /// <para>A signature that is right modulo one prime only gives the key away: gcd(s^e − m, n) (Boneh, DeMillo, Lipton).</para>
    /// <para>
    /// A long derived exponent is raised modulo p and modulo q, which pairing makes almost four times cheaper than modulo n. That this
    /// uses the primes again hides nothing: it starts from the recombined and unblinded integer, so a wrong half, a wrong
    /// recombination or a wrong unblinding leaves a wrong residue on at least one side; and the exponent is e, not d, so a damaged
    /// prime or private exponent does not cancel itself out, because s^e = m holds modulo a number p′ only if d inverts e there.
    /// </para>
    /// </remarks>
    private bool Holds(ReadOnlySpan<byte> blinded, ReadOnlySpan<byte> signature, ThreadScratch scratch)
    {
        BigNumContext context = scratch.Context;
        scratch.A.Read(signature);
        scratch.B.Read(blinded);
        if (_hasShortExponent)
        {
            LibCrypto.Check(LibCrypto.BN_mod_exp_mont(scratch.C, scratch.A, E, Modulus.N, context, Modulus.MontgomeryN));
            return scratch.C.EqualsNumber(scratch.B);
        }

        Modulus.Reduce(scratch.A, scratch.HalfP, scratch.HalfQ, context);
        Modulus.Power(scratch.PowerP, scratch.HalfP, E, scratch.PowerQ, scratch.HalfQ, E, context);
        Modulus.Reduce(scratch.B, scratch.HalfP, scratch.HalfQ, context);
        bool holds = scratch.PowerP.EqualsNumber(scratch.HalfP) & scratch.PowerQ.EqualsNumber(scratch.HalfQ);
        scratch.ClearSecrets();
        return holds;
    }

    private bool IsInRange(ReadOnlySpan<byte> blinded, ThreadScratch scratch)
    {
        if (blinded.Length != Modulus.ModulusSize)
        {
            return false;
        }

        scratch.A.Read(blinded);
        return !scratch.A.IsZero() && scratch.A.IsBelow(Modulus.N);
    }

    /// <summary>One pair per operation under way: a pair must not be used twice, and threads must not wait for each other.</summary>
    private BlindingPair RentPair()
    {
        foreach (ref BlindingPair? slot in _pairs.AsSpan())
        {
            if (slot is not null && Interlocked.Exchange(ref slot, null) is { } pair)
            {
                return pair;
            }
        }

        return new BlindingPair(this);
    }

    private void ReturnPair(BlindingPair pair)
    {
        foreach (ref BlindingPair? slot in _pairs.AsSpan())
        {
            if (slot is null && Interlocked.CompareExchange(ref slot, pair, null) is null)
            {
                return;
            }
        }

        pair.Dispose();
    }

    protected override bool ReleaseHandle()
    {
        foreach (BlindingPair? pair in _pairs)
        {
            pair?.Dispose();
        }

        bool released = base.ReleaseHandle();
        Modulus.DangerousRelease();
        if (_ownsModulus)
        {
            Modulus.Dispose();
        }

        return released;
    }
}
