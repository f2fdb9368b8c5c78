namespace Tacit.Crypto.Interop;

/// <summary>A thread's temporaries, so that the hot paths allocate nothing. Freed when the thread is gone.</summary>
internal sealed class ThreadScratch : NativeGroup
{
    [ThreadStatic]
    private static ThreadScratch? s_current;

    internal ThreadScratch()
    {
        Context = NewContext();
        A = NewNumber();
        B = NewNumber();
        C = NewNumber();
        HalfP = NewSecret();
        HalfQ = NewSecret();
        PowerP = NewSecret();
        PowerQ = NewSecret();
        Secret = NewSecret();
    }

    internal static ThreadScratch Current => s_current ??= new ThreadScratch();

    internal BigNumContext Context { get; }

    /// <summary>Public values: what came in, what goes out, and powers of them under a public exponent.</summary>
    internal BigNum A { get; }

    internal BigNum B { get; }

    internal BigNum C { get; }

    /// <summary>Residues modulo the two primes. Whoever uses these clears them.</summary>
    internal BigNum HalfP { get; }

    internal BigNum HalfQ { get; }

    internal BigNum PowerP { get; }

    internal BigNum PowerQ { get; }

    internal BigNum Secret { get; }

    internal void ClearSecrets()
    {
        HalfP.Clear();
        HalfQ.Clear();
        PowerP.Clear();
        PowerQ.Clear();
        Secret.Clear();
    }
}
