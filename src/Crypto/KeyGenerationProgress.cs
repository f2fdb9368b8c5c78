namespace Tacit.Crypto;

/// <summary>How far a search for two safe primes is.</summary>
/// <param name="CandidatesTested">Numbers that passed the sieve and were tested, on both threads together.</param>
/// <param name="PrimesFound">0, 1 or 2.</param>
/// <param name="CandidatesExpected">How many tests such a search takes on average. Chance has no memory: it may take several times that.</param>
public readonly record struct KeyGenerationProgress(long CandidatesTested, int PrimesFound, long CandidatesExpected);
