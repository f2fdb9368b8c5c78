using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>Two random safe primes of the same length, p = 2p′ + 1 with p′ prime and the two top bits set.</summary>
/// <remarks>
/// <para>
/// libcrypto's own search (BN_generate_prime_ex with <c>safe</c>) goes number by number and takes five times as long. Here a window of
/// 65,536 numbers from a random start is sieved at once, for p and p′ together and far deeper, so few exponentiations remain, and those
/// go in pairs; the arithmetic on the numbers is libcrypto's.
/// </para>
/// <para>
/// The first safe prime after a random start is not quite uniform: one after a long gap is likelier. Drawing a new start for every
/// window, of which only about every third holds a safe prime of 1024 bits, keeps that bias far below anything usable.
/// </para>
/// </remarks>
internal sealed class SafePrimePair : NativeGroup
{
    private const int Workers = 2;
    private const int Window = 1 << 16;
    private const int SieveLimit = 1 << 20;
    private const int TestsPerReport = 64;
    private const int RandTopTwo = 1; // BN_RAND_TOP_TWO
    private const int RandBottomOdd = 1; // BN_RAND_BOTTOM_ODD

    private readonly Lock _lock = new();
    private readonly int _bits;
    private readonly IProgress<KeyGenerationProgress>? _progress;
    private readonly int[] _smallPrimes = OddPrimesBelow(SieveLimit);
    private long _tested;
    private int _found;

    private SafePrimePair(int bits, IProgress<KeyGenerationProgress>? progress)
    {
        _bits = bits;
        _progress = progress;
        P = NewSecret();
        Q = NewSecret();
    }

    internal BigNum P { get; }

    internal BigNum Q { get; }

    /// <summary>Searches on two threads until two different safe primes are found, whichever thread finds them.</summary>
    internal static async Task<SafePrimePair> SearchAsync(
        int bits, IProgress<KeyGenerationProgress>? progress, CancellationToken cancellationToken)
    {
        SafePrimePair pair = new(bits, progress);
        try
        {
            using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task[] workers = new Task[Workers];
            for (int i = 0; i < Workers; i++)
            {
                workers[i] = Task.Factory.StartNew(
                    () => pair.SearchOrStop(stop), stop.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }

            await Task.WhenAll(workers);
            return pair;
        }
        catch
        {
            pair.Dispose();
            throw;
        }
    }

    private bool IsComplete => Volatile.Read(ref _found) == 2;

    /// <summary>When one thread fails, in a caller's progress handler for instance, the other does not search on alone.</summary>
    private void SearchOrStop(CancellationTokenSource stop)
    {
        try
        {
            Search(stop.Token);
        }
        catch
        {
            stop.Cancel();
            throw;
        }
    }

    private void Search(CancellationToken cancellationToken)
    {
        // What is struck out tells the start modulo every small prime, hence the start: as secret as the primes, moved by no collection
        // and cleared.
        bool[] struck = GC.AllocateArray<bool>(Window, pinned: true);
        try
        {
            using Candidates candidates = new(_bits);
            while (!IsComplete)
            {
                candidates.DrawStart();
                Sieve(candidates.Start, struck);
                SearchWindow(candidates, struck, cancellationToken);
            }
        }
        finally
        {
            Array.Clear(struck);
        }
    }

    /// <summary>Tests what the sieve left, two at a time: libcrypto may do a pair in the time of one.</summary>
    private void SearchWindow(Candidates candidates, bool[] struck, CancellationToken cancellationToken)
    {
        int index = NextUnstruck(struck, 0);
        while (index < Window && !IsComplete)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int second = NextUnstruck(struck, index + 1);
            candidates.Set(index, second < Window ? second : index);
            (bool first, bool other) = candidates.Test();
            if (first)
            {
                Found(candidates.First);
                return;
            }

            if (other && second < Window)
            {
                Found(candidates.Second);
                return;
            }

            if (Interlocked.Add(ref _tested, 2) % TestsPerReport == 0)
            {
                Report();
            }

            index = NextUnstruck(struck, second + 1);
        }
    }

    private void Found(BigNum prime)
    {
        lock (_lock)
        {
            if (_found == 0)
            {
                P.Set(prime);
            }
            else if (_found == 1 && !P.EqualsNumber(prime))
            {
                Q.Set(prime);
            }
            else
            {
                return;
            }

            Volatile.Write(ref _found, _found + 1);
        }

        Report();
    }

    private void Report() =>
        _progress?.Report(new KeyGenerationProgress(Interlocked.Read(ref _tested), Volatile.Read(ref _found), ExpectedTests(_bits)));

    /// <summary>Hardy and Littlewood's estimate for p′ and 2p′ + 1 both prime, after sieving: (e^−γ·ln p/ln limit)² tests a prime.</summary>
    private static long ExpectedTests(int bits)
    {
        double ratio = bits * double.Log(2) / double.Log(SieveLimit);
        return (long)(2 * 0.315 * ratio * ratio); // e^−2γ = 0.315
    }

    private static int NextUnstruck(bool[] struck, int from)
    {
        int offset = from < Window ? struck.AsSpan(from).IndexOf(false) : -1;
        return offset < 0 ? Window : from + offset;
    }

    /// <summary>Strikes out every k for which p = start + 4k, or (p − 1)/2, is divisible by a small prime r: p ≡ 0 or 1 modulo r.</summary>
    private void Sieve(BigNum start, bool[] struck)
    {
        Array.Clear(struck);
        foreach (int r in _smallPrimes)
        {
            int rest = (int)LibCrypto.BN_mod_word(start, (ulong)r);

            // 4⁻¹ modulo r: (r + 1)/4 or (3r + 1)/4, whichever is whole.
            long quarter = r % 4 == 3 ? (r + 1L) / 4 : ((3L * r) + 1) / 4;
            for (int residue = 0; residue <= 1; residue++)
            {
                int first = (int)((residue + r - rest) % r * quarter % r);
                for (int k = first; k < Window; k += r)
                {
                    struck[k] = true;
                }
            }
        }
    }

    private static int[] OddPrimesBelow(int limit)
    {
        bool[] composite = new bool[limit];
        List<int> primes = [];
        for (int i = 3; i < limit; i += 2)
        {
            if (!composite[i])
            {
                primes.Add(i);
                for (long multiple = (long)i * i; multiple < limit; multiple += 2 * i)
                {
                    composite[multiple] = true;
                }
            }
        }

        return [.. primes];
    }

    /// <summary>One thread's two numbers under test.</summary>
    private sealed class Candidates : NativeGroup
    {
        private readonly int _bits;
        private readonly Montgomery _firstMontgomery;
        private readonly Montgomery _secondMontgomery;
        private readonly BigNum _firstExponent;
        private readonly BigNum _secondExponent;
        private readonly BigNum _firstPower;
        private readonly BigNum _secondPower;
        private readonly BigNum _base;

        internal Candidates(int bits)
        {
            _bits = bits;
            (Start, First, Second) = (NewSecret(), NewSecret(), NewSecret());
            (_firstExponent, _secondExponent) = (NewSecret(), NewSecret());
            (_firstPower, _secondPower) = (NewSecret(), NewSecret());
            _base = NewSecret();
            LibCrypto.Check(LibCrypto.BN_priv_rand(_base, bits - 1, RandTopTwo, RandBottomOdd));
            DrawStart();
            _firstMontgomery = NewMontgomery(Start, ThreadScratch.Current.Context);
            _secondMontgomery = NewMontgomery(Start, ThreadScratch.Current.Context);
        }

        internal BigNum Start { get; }

        internal BigNum First { get; }

        internal BigNum Second { get; }

        /// <summary>A random number with the two top bits set and ≡ 3 modulo 4, so that (p − 1)/2 is odd.</summary>
        internal void DrawStart()
        {
            LibCrypto.Check(LibCrypto.BN_priv_rand(Start, _bits, RandTopTwo, RandBottomOdd));
            LibCrypto.Check(LibCrypto.BN_set_bit(Start, 1));
        }

        internal void Set(int firstIndex, int secondIndex)
        {
            First.Set(Start);
            LibCrypto.Check(LibCrypto.BN_add_word(First, 4UL * (uint)firstIndex));
            Second.Set(Start);
            LibCrypto.Check(LibCrypto.BN_add_word(Second, 4UL * (uint)secondIndex));
        }

        /// <remarks>
        /// Fermat's test of both p, then libcrypto's primality test of p′ for the few that pass; the key's own check of p and p′ follows
        /// when it is put together. The base is random and nearly as long as p: libcrypto pairs only numbers of full length.
        /// </remarks>
        internal (bool First, bool Second) Test()
        {
            BigNumContext context = ThreadScratch.Current.Context;
            LibCrypto.Check(LibCrypto.BN_MONT_CTX_set(_firstMontgomery, First, context));
            LibCrypto.Check(LibCrypto.BN_MONT_CTX_set(_secondMontgomery, Second, context));
            _firstExponent.Set(First);
            LibCrypto.Check(LibCrypto.BN_sub_word(_firstExponent, 1));
            _secondExponent.Set(Second);
            LibCrypto.Check(LibCrypto.BN_sub_word(_secondExponent, 1));
            LibCrypto.Check(LibCrypto.BN_mod_exp_mont_consttime_x2(
                _firstPower, _base, _firstExponent, First, _firstMontgomery,
                _secondPower, _base, _secondExponent, Second, _secondMontgomery, context));
            return (_firstPower.IsOne() && IsSafe(First, context), _secondPower.IsOne() && IsSafe(Second, context));
        }

        private bool IsSafe(BigNum p, BigNumContext context)
        {
            LibCrypto.Check(LibCrypto.BN_rshift1(_firstExponent, p));
            return p.Bits() == _bits && LibCrypto.BN_check_prime(_firstExponent, context, 0) == 1;
        }
    }
}
