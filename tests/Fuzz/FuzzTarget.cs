namespace Tacit.Fuzz;

/// <summary>One parser under test.</summary>
/// <param name="Name">As given on the command line.</param>
/// <param name="Corpus">Inputs to begin from; the first ones are valid.</param>
/// <param name="Run">
/// Parses; throws if the parser throws or an invariant breaks. True if the input was taken.
/// </param>
public sealed record FuzzTarget(string Name, IReadOnlyList<byte[]> Corpus, Func<byte[], bool> Run)
{
    /// <summary>Runs inputs until the count or the time is over. The seed and the number of an input give it again.</summary>
    public FuzzResult RunMany(ulong seed, long count, TimeSpan? limit, TimeProvider time)
    {
        // The corpus itself first: a target whose valid inputs are refused tests nothing.
        int accepted = Corpus.Count(input => Run([.. input]));
        Xoshiro random = new(seed);
        long started = time.GetTimestamp();
        long done = 0;
        long taken = 0;
        for (; done < count; done++)
        {
            if (limit is TimeSpan most && done % 64 == 0 && time.GetElapsedTime(started) >= most)
            {
                break;
            }

            byte[] input = Mutator.Mutate(Corpus, random);
            try
            {
                taken += Run(input) ? 1 : 0;
            }
            catch (Exception e)
            {
                throw new FuzzFailureException(Name, seed, done, input, e);
            }
        }

        return new FuzzResult(done, taken, accepted, time.GetElapsedTime(started));
    }

    internal static void Require(bool condition, string invariant)
    {
        if (!condition)
        {
            throw new InvalidOperationException(invariant);
        }
    }
}

/// <summary>What a run did.</summary>
/// <param name="Inputs">How many inputs ran.</param>
/// <param name="Taken">How many of them the parser took.</param>
/// <param name="CorpusTaken">How many of the corpus it took.</param>
/// <param name="Elapsed">How long it ran.</param>
public sealed record FuzzResult(long Inputs, long Taken, int CorpusTaken, TimeSpan Elapsed);

/// <summary>An input that broke a parser.</summary>
public sealed class FuzzFailureException(string target, ulong seed, long number, byte[] input, Exception inner)
    : Exception($"{target}: seed {seed}, input {number}, {input.Length} bytes: {Convert.ToHexString(input)}", inner)
{
    public byte[] Input { get; } = input;
}
