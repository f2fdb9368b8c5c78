using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A provider call that did not end in a whole reply.</summary>
/// <remarks>
/// <see cref="Error"/> is for the caller alone: where its code is <c>provider_rejected</c> its message is the provider's own and may
/// quote the prompt. <see cref="Exception.Message"/> holds the code only, so that the exception may be logged.
/// </remarks>
public sealed class ProviderException : Exception
{
    internal ProviderException(ApiError error, bool clientProvoked)
        : base(error.Code)
    {
        Error = error;
        ClientProvoked = clientProvoked;
    }

    /// <summary>What to tell the caller.</summary>
    public ApiError Error { get; }

    /// <summary>
    /// Whether the request itself can bring this about (a refusal, a limit, the whole time used up). Then the token stays spent (law 2).
    /// When false, the token may be given back, provided that no content was passed on.
    /// </summary>
    public bool ClientProvoked { get; }
}
