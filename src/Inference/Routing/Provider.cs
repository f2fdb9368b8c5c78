using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>One request on its way to a provider.</summary>
internal sealed class ProviderCall
{
    public required Operation Operation { get; init; }

    public required bool Stream { get; init; }

    /// <summary>As <see cref="RequestFilter"/> wrote it.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    public required RequestFacts Facts { get; init; }

    public required int MaxReplyBytes { get; init; }

    public required CallClock Clock { get; init; }

    /// <summary>How often someone was asked so far.</summary>
    public int Attempts { get; set; }

    /// <summary>The same request, in another API's form.</summary>
    public ProviderCall As(Operation operation, ReadOnlyMemory<byte> body) => new()
    {
        Operation = operation, Body = body, Stream = Stream, Facts = Facts, MaxReplyBytes = MaxReplyBytes, Clock = Clock, Attempts = Attempts,
    };
}

/// <summary>How an attempt ended, when not in a reply.</summary>
internal enum AttemptFailure
{
    None,

    /// <summary>No connection: nothing was asked, and this backend's other keys would fare no better.</summary>
    Unreachable,

    /// <summary>The key is not accepted (401, 402).</summary>
    KeyRefused,

    /// <summary>The key has used up its rate (429).</summary>
    KeyBusy,

    /// <summary>The backend failed, or said what is no reply (5xx, 403, a redirect, a reset).</summary>
    Failed,

    /// <summary>The provider refuses this very request (any other 4xx). Nobody else is asked.</summary>
    Rejected,

    /// <summary>A budget ran out. Another backend is asked only if it was that of a stream's first event: anything else is as long as the request asks for.</summary>
    TimedOut,
}

/// <summary>What an attempt came to: a reply, or why there is none.</summary>
internal readonly record struct Attempt(ReplySource? Reply, AttemptFailure Failure)
{
    /// <summary>What the server answered; 0 if it did not.</summary>
    public int Status { get; init; }

    /// <summary>What was wrong with the backend.</summary>
    public BackendFault Fault { get; init; }

    /// <summary>Whether it tells of the backend, and not of the key or the request.</summary>
    public bool IsBackendsFault => Fault is not (BackendFault.None or BackendFault.KeyRefused);

    /// <summary>Whether the same backend may do better in a moment.</summary>
    public bool IsTransient => Failure is AttemptFailure.Unreachable or AttemptFailure.Failed
        && (Fault is BackendFault.Unreachable or BackendFault.ConnectTimeout or BackendFault.ConnectionLost || (Fault == BackendFault.Status && Status is 408 or >= 500));

    /// <summary>What to tell the caller, where the request was rejected.</summary>
    public ApiError? Error { get; init; }

    /// <summary>How long a busy key is to rest.</summary>
    public TimeSpan RetryAfter { get; init; }
}

/// <summary>What answers requests: a server behind HTTP, or the demo model.</summary>
internal interface IProvider : IDisposable
{
    string Name { get; }

    KeyRing Keys { get; }

    /// <summary>Whether a request can be put to it at all, whatever its state.</summary>
    /// <param name="operation">What is asked for.</param>
    /// <param name="body">What <see cref="RequestFilter"/> wrote.</param>
    /// <returns>Null, or why it cannot: the error names the member.</returns>
    ApiError? Check(Operation operation, ReadOnlySpan<byte> body) => null;

    /// <summary>Asks once.</summary>
    /// <param name="call">The request.</param>
    /// <param name="model">The model's name at this provider.</param>
    /// <param name="key">One of <see cref="Keys"/>.</param>
    ValueTask<Attempt> TryAsync(ProviderCall call, string model, KeySlot key);
}
