using System.Globalization;
using Tacit.Crypto;

namespace Tacit.Cli.Roles;

/// <summary>Tells how the search for a safe-prime key goes. It runs beside everything else and takes anything from seconds to minutes.</summary>
internal static class KeySearch
{
    public static IProgress<KeyGenerationProgress> Report(Action<string> show) => new Direct(show);

    public static string Describe(KeyGenerationProgress progress) => string.Create(
        CultureInfo.InvariantCulture,
        $"searching the key of the 0xDA7A plans in the background: {progress.PrimesFound} of 2 safe primes, {progress.CandidatesTested:N0} numbers tested, {progress.CandidatesExpected:N0} is usual");

    /// <summary>Unlike <see cref="Progress{T}"/> in order and without a thread of its own.</summary>
    private sealed class Direct(Action<string> show) : IProgress<KeyGenerationProgress>
    {
        public void Report(KeyGenerationProgress value) => show(Describe(value));
    }
}
