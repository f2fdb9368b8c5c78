namespace Tacit.Gateway.Admission;

/// <summary>The states of a spend row. The numbers are on disk.</summary>
internal enum SpendState
{
    /// <summary>The provider may have been asked; nobody knows yet how it ends.</summary>
    InFlight = 0,

    /// <summary>The token is used up.</summary>
    Spent = 1,

    /// <summary>Nothing of an answer was passed on and the client did not provoke that: the token may be presented again, with any body.</summary>
    Returned = 2,
}

/// <summary>The limits of law 2.</summary>
internal static class SpendLimits
{
    public const int MaxReturns = 3;
    public const int MaxTakeovers = 2;
}

/// <summary>
/// One tenure of a row: every write that ends it names all of these, so that an owner that was taken over, or whose row was returned and is
/// used again, can no longer change it.
/// </summary>
internal readonly record struct SpendClaim(DateTimeOffset Deadline, SpendId Id, int Returns, int Takeovers);

internal enum SpendVerdict
{
    /// <summary>The row is ours and in flight: ask the provider.</summary>
    Granted,

    /// <summary>
    /// The same request, in flight at another live instance, or ended there and perhaps still kept: its address is <see cref="SpendDecision.OwnerAddress"/>.
    /// </summary>
    OwnedElsewhere,

    /// <summary>The same request has had its answer, and the answer is no longer kept here.</summary>
    ReplyGone,

    /// <summary>Another request has the token.</summary>
    OtherRequest,

    /// <summary>The period is over and its table dropped or about to be.</summary>
    PeriodOver,
}

internal readonly record struct SpendDecision(SpendVerdict Verdict, SpendClaim Claim, string? OwnerAddress = null);

/// <summary>How a request that brought nothing left its row.</summary>
internal enum ReturnOutcome
{
    /// <summary>The token can be presented again, with any body.</summary>
    Returned,

    /// <summary>The token is used up.</summary>
    Spent,

    /// <summary>The row is as it was: the same request may be repeated and takes it over.</summary>
    LeftInFlight,
}
