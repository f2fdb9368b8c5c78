using System.Text.Json.Serialization;

namespace Tacit.Inference;

/// <summary>What the checks say of a backend.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<HealthState>))]
public enum HealthState
{
    /// <summary>It is not checked.</summary>
    [JsonStringEnumMemberName("unchecked")]
    Unchecked,

    /// <summary>It will be checked and was not yet; it is used meanwhile.</summary>
    [JsonStringEnumMemberName("unknown")]
    Unknown,

    /// <summary>It is well.</summary>
    [JsonStringEnumMemberName("up")]
    Up,

    /// <summary>It is not, and is not asked.</summary>
    [JsonStringEnumMemberName("down")]
    Down,
}

/// <summary>A backend at this moment. Counts only, nothing of any request.</summary>
/// <param name="Name">As the settings call it.</param>
/// <param name="Health">What its checks say.</param>
/// <param name="Breaker">The state of its circuit breaker.</param>
/// <param name="Fault">What was wrong last; none once it answers again.</param>
/// <param name="FaultStatus">The status it answered where that is the fault; null otherwise.</param>
/// <param name="MissingModels">Models it should have and has not, by its own names.</param>
/// <param name="Outstanding">Requests it is at work on.</param>
/// <param name="MaxConcurrency">The most of them; null: no bound.</param>
/// <param name="Queued">Requests that wait for it. One that several backends could answer waits for each of them.</param>
/// <param name="Counts">Sums since the start.</param>
public sealed record BackendStatus(
    string Name, HealthState Health, BreakerState Breaker, BackendFault Fault, int? FaultStatus, IReadOnlyList<string> MissingModels,
    int Outstanding, int? MaxConcurrency, int Queued, BackendCounts Counts);

/// <summary>Sums since the start. They only grow.</summary>
/// <param name="Calls">Times it was asked.</param>
/// <param name="Replies">Replies that began.</param>
/// <param name="Unreachable">Calls without a connection.</param>
/// <param name="Failed">Calls that failed before the reply: 5xx, resets, what is no answer.</param>
/// <param name="TimedOut">Calls whose reply did not begin in time.</param>
/// <param name="BrokenOff">Replies that broke off after they had begun.</param>
/// <param name="Refused">Calls refused for the key or the request: 4xx.</param>
/// <param name="Opened">Times the breaker opened.</param>
/// <param name="QueueFull">Requests that found no place, not even to wait.</param>
/// <param name="QueueTimeouts">Requests that waited too long.</param>
/// <param name="Checks">Health checks.</param>
/// <param name="ChecksFailed">Those that failed.</param>
/// <param name="FirstByteSeconds">Seconds from call to the first byte, of all <paramref name="Replies"/> together.</param>
public sealed record BackendCounts(
    long Calls, long Replies, long Unreachable, long Failed, long TimedOut, long BrokenOff, long Refused, long Opened, long QueueFull, long QueueTimeouts,
    long Checks, long ChecksFailed, double FirstByteSeconds);
