using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

/// <summary>What bounds whoever asks, beside the credential: of a pseudonym shown with a token, or of a device.</summary>
internal interface IRequestQuota
{
    /// <summary>Counts the request, once; null if it is within its limits.</summary>
    ValueTask<ApiError?> CountAsync();

    /// <summary>The request asked no provider, so it does not count.</summary>
    void GiveBack();

    /// <summary>Whether it is worth looking what a reply costs.</summary>
    bool CountsTokens { get; }

    /// <summary>The reply has ended.</summary>
    /// <param name="outputTokens">What it cost, or 0 if no provider answered.</param>
    void End(long outputTokens);
}
