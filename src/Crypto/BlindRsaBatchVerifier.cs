using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto;

/// <summary>
/// Checks signatures under one derived key together, in a fraction of the time that each alone would take, when the salts come with them (the
/// small-exponents test of Bellare, Garay and Rabin, "Fast batch verification"; docs/adr/0008). Finds the false ones by halving, and batches less
/// the more of them it meets.
/// </summary>
/// <remarks>
/// A signature passes if and only if it passes <see cref="BlindRsaPublicKey.VerifyUpToSign(BlindRsaVariant, ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>,
/// but for a probability of 2⁻⁶⁴ a check: s and n − s alike, whatever salt stands beside it, and whatever else is in the batch.
/// Safe for use by several threads at once; does not own the key.
/// </remarks>
public sealed class BlindRsaBatchVerifier
{
    /// <summary>Most signatures that are checked together.</summary>
    public const int MaxCount = RandomProduct.MaxCount;

    /// <summary>Among fewer, false ones are found by checking each: halving would cost as much.</summary>
    private const int SmallestHalved = 3;

    /// <summary>Where a batch of so many at least would be too likely to fail, none is worth its while.</summary>
    private const int SmallestPreferred = 4;

    /// <summary>A batch is made so large that it holds this many false signatures on average: half of such batches hold none.</summary>
    private const double FalseInABatch = 0.7;

    /// <summary>How much one signature says of those to come.</summary>
    private const double Weight = 1.0 / 32;

    private readonly BlindRsaPublicKey _key;
    private readonly BlindRsaVariant _variant;
    private double _falseRate;

    /// <param name="key">Derived for one metadata value: only moduli of two safe primes, as these have, make the test sound.</param>
    /// <param name="variant">The variant.</param>
    /// <exception cref="ArgumentException">The key is not a derived one.</exception>
    public BlindRsaBatchVerifier(BlindRsaPublicKey key, BlindRsaVariant variant)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(variant);
        if (!key.IsDerived)
        {
            throw new ArgumentException("Only keys of partially blind RSA are made of safe primes, and with a short exponent a batch gains nothing.", nameof(key));
        }

        _key = key;
        _variant = variant;
    }

    /// <summary>How many to check together: <see cref="MaxCount"/>, fewer where false ones are met, and 1 while they are frequent.</summary>
    public int PreferredCount
    {
        get
        {
            double rate = Volatile.Read(ref _falseRate);
            double count = rate * MaxCount <= FalseInABatch ? MaxCount : FalseInABatch / rate;
            return count < SmallestPreferred ? 1 : (int)count;
        }
    }

    /// <summary>Checks all, each with the outcome it would have alone.</summary>
    /// <param name="signatures">At most <see cref="MaxCount"/>. Those above <see cref="PreferredCount"/> are taken in parts.</param>
    /// <param name="verdicts">As many.</param>
    public void Verify(ReadOnlySpan<SaltedSignature> signatures, Span<BatchVerdict> verdicts)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(signatures.Length, MaxCount);
        ArgumentOutOfRangeException.ThrowIfNotEqual(verdicts.Length, signatures.Length);
        if (signatures.Length == 1 || PreferredCount == 1)
        {
            for (int i = 0; i < signatures.Length; i++)
            {
                verdicts[i] = VerifyAlone(signatures[i]);
            }

            return;
        }

        using NativeGroup.Lease lease = _key.Numbers.Use();
        RandomProduct product = RandomProduct.Current;
        Span<int> places = stackalloc int[MaxCount];
        Span<byte> encoded = stackalloc byte[BlindRsaPublicKey.MaxModulusSize];
        encoded = encoded[.._key.ModulusSizeInBytes];
        int count = 0;
        try
        {
            for (int i = 0; i < signatures.Length; i++)
            {
                ref readonly SaltedSignature signature = ref signatures[i];
                if (signature.Salt.Length != _variant.SaltSizeInBytes)
                {
                    verdicts[i] = VerifyAlone(signature);
                    continue;
                }

                _key.Encode(signature.PreparedMessage.Span, signature.Salt.Span, encoded);
                verdicts[i] = BatchVerdict.Invalid;
                if (product.TryInclude(_key.Numbers, count, signature.Signature.Span, encoded))
                {
                    places[count++] = i;
                }
            }

            Divide(product, signatures, verdicts, places[..count], first: 0, holdsFalse: false);
        }
        finally
        {
            product.Clear(count);
        }
    }

    /// <param name="product">With all that is checked.</param>
    /// <param name="signatures">All.</param>
    /// <param name="verdicts">Of all.</param>
    /// <param name="places">Where those stand that this call is about.</param>
    /// <param name="first">Where the first of them stands in the product.</param>
    /// <param name="holdsFalse">Whether one at least is known to be false, or to come with another salt.</param>
    /// <returns>Whether all are what they are said to be.</returns>
    private bool Divide(
        RandomProduct product, ReadOnlySpan<SaltedSignature> signatures, Span<BatchVerdict> verdicts, ReadOnlySpan<int> places, int first, bool holdsFalse)
    {
        int preferred = PreferredCount;
        if (places.Length <= 1 || preferred == 1 || (holdsFalse && places.Length < SmallestHalved))
        {
            bool all = true;
            foreach (int place in places)
            {
                verdicts[place] = VerifyAlone(signatures[place]);
                all &= verdicts[place] == BatchVerdict.Valid;
            }

            return all;
        }

        if (!holdsFalse && places.Length <= preferred)
        {
            if (product.Holds(_key.Numbers, first, places.Length))
            {
                foreach (int place in places)
                {
                    verdicts[place] = BatchVerdict.Valid;
                    Learn(isFalse: false);
                }

                return true;
            }

            holdsFalse = true;
        }

        // Where the first half is right the false one is in the second, and need not be looked for by a check of the whole second half.
        int half = places.Length / 2;
        bool firstHolds = Divide(product, signatures, verdicts, places[..half], first, holdsFalse: false);
        bool secondHolds = Divide(product, signatures, verdicts, places[half..], first + half, holdsFalse && firstHolds);
        return firstHolds && secondHolds;
    }

    private BatchVerdict VerifyAlone(in SaltedSignature signature)
    {
        Span<byte> salt = stackalloc byte[EmsaPss.HashSize];
        salt = salt[.._variant.SaltSizeInBytes];
        BatchVerdict verdict = !_key.VerifyUpToSign(_variant, signature.PreparedMessage.Span, signature.Signature.Span, salt) ? BatchVerdict.Invalid
            : salt.SequenceEqual(signature.Salt.Span) ? BatchVerdict.Valid
            : BatchVerdict.ValidWithOtherSalt;
        Learn(isFalse: verdict != BatchVerdict.Valid);
        return verdict;
    }

    /// <summary>A moving average. Threads may lose each other's step: it is an estimate, and decides about nothing but time.</summary>
    private void Learn(bool isFalse)
    {
        double rate = Volatile.Read(ref _falseRate);
        Volatile.Write(ref _falseRate, rate + (((isFalse ? 1 : 0) - rate) * Weight));
    }
}
