using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

/// <summary>A short run of every fuzz target; <c>dotnet run --project tests/Fuzz</c> runs them for as long as one likes.</summary>
public sealed class FuzzTests
{
    private const ulong Seed = 20261120;

    // A count by default, so that every run does the same; half a minute for each target in a soak.
    private static readonly bool s_soak = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";
    private static readonly long s_count = s_soak ? long.MaxValue : 20_000;
    private static readonly TimeSpan? s_limit = s_soak ? TimeSpan.FromSeconds(30) : null;

    public static TheoryData<string> Names => [.. Targets.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Parser_survives_mutated_inputs(string name)
    {
        FuzzResult result = Targets.Get(name).RunMany(Seed, s_count, s_limit, TimeProvider.System);

        // If the parser took none of its own valid inputs, or none of the mutated ones, the run would have shown nothing.
        Assert.True(result.CorpusTaken > 0, "no valid input in the corpus");
        Assert.True(s_soak || result.Inputs == s_count);
        Assert.True(result.Taken > 0, "no mutated input was taken");
    }

    [Fact]
    public void Fuzzer_reports_a_parser_that_throws()
    {
        FuzzTarget broken = new("broken", [[1, 2, 3, 4]], input => input.Length > 2 && input[0] != 1 ? throw new InvalidDataException() : true);

        FuzzFailureException failure = Assert.Throws<FuzzFailureException>(() => broken.RunMany(Seed, 10_000, limit: null, TimeProvider.System));
        FuzzFailureException again = Assert.Throws<FuzzFailureException>(() => broken.RunMany(Seed, 10_000, limit: null, TimeProvider.System));

        Assert.Equal(failure.Input, again.Input);
    }
}
