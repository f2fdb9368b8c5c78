namespace Tacit.Inference;

/// <summary>
/// What each key of a backend may use up in a day and in a calendar month, UTC; null is no bound. A key that has reached one is left alone until that day or
/// month is over. Checked before a request, counted after it: requests under way at that moment may go a little beyond.
/// </summary>
public sealed record KeyBudget
{
    public long? RequestsPerDay { get; init; }

    public long? RequestsPerMonth { get; init; }

    /// <summary>Input and output together, as the provider's <c>usage</c> says; estimated where it says nothing.</summary>
    public long? TokensPerDay { get; init; }

    public long? TokensPerMonth { get; init; }

    /// <summary>In the currency of the backend's prices.</summary>
    public decimal? MoneyPerDay { get; init; }

    public decimal? MoneyPerMonth { get; init; }

    internal bool HasMoney => MoneyPerDay is not null || MoneyPerMonth is not null;

    internal void Validate(string at)
    {
        foreach (long? bound in (ReadOnlySpan<long?>)[RequestsPerDay, RequestsPerMonth, TokensPerDay, TokensPerMonth])
        {
            InferenceOptions.Require(bound is null or > 0, at, "a bound is at least 1, or left out");
        }

        foreach (decimal? bound in (ReadOnlySpan<decimal?>)[MoneyPerDay, MoneyPerMonth])
        {
            InferenceOptions.Require(bound is null or (> 0 and <= 1_000_000_000), at, "a bound of money is more than 0 and at most 10^9, or left out");
        }
    }
}

/// <summary>What a million tokens of a model cost at a backend, in whatever currency its budget is in.</summary>
public sealed record TokenPrice
{
    public decimal Input { get; init; }

    public decimal Output { get; init; }

    /// <summary>Billionths of the currency's unit a token: a price of 0.15 a million is 150.</summary>
    internal (long Input, long Output) PerToken => ((long)(Input * 1000), (long)(Output * 1000));

    internal void Validate(string at) => InferenceOptions.Require(
        Input is >= 0 and <= 1_000_000 && Output is >= 0 and <= 1_000_000 && Input * 1000 % 1 == 0 && Output * 1000 % 1 == 0,
        at, "give what a million tokens cost, Input and Output, from 0 to 10^6 with at most three decimals");
}

/// <summary>What one key has used, as an operator sees it. Counts only.</summary>
/// <param name="Backend">The backend's name.</param>
/// <param name="Key">The key's place in the settings, from 1; 0 for no key.</param>
/// <param name="Day">Today, UTC.</param>
/// <param name="Month">This month, UTC.</param>
/// <param name="Budget">The bounds; null if there are none.</param>
/// <param name="IsUsedUp">Whether a bound is reached.</param>
public sealed record ProviderKeyUsage(string Backend, int Key, UsageTotals Day, UsageTotals Month, KeyBudget? Budget, bool IsUsedUp);

/// <summary>Sums of one day or month.</summary>
/// <param name="Requests">Requests that began to be answered.</param>
/// <param name="Tokens">Input and output together.</param>
/// <param name="Money">In the currency of the prices.</param>
public sealed record UsageTotals(long Requests, long Tokens, decimal Money);
