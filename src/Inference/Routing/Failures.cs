using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>What the caller is told of each way a provider can fail, and whether its own request could bring it about.</summary>
internal static class Failures
{
    public static ProviderException NoReply(AttemptFailure failure) => failure switch
    {
        AttemptFailure.Unreachable => Ours(ErrorCodes.ProviderUnreachable, "No backend of this model can be reached. Try again later."),
        AttemptFailure.KeyBusy => Ours(ErrorCodes.GatewayBusy, "The providers of this model have no room for this gateway right now. Try again in a minute."),
        AttemptFailure.KeyRefused => Ours(ErrorCodes.ProviderError, "The providers of this model do not accept this gateway's keys. Its operator has to renew them."),
        _ => Ours(ErrorCodes.ProviderError, "The providers of this model failed to answer. Try again later."),
    };

    /// <summary>Nobody was asked at all.</summary>
    public static ProviderException NoBackend(NoPlace reason) => reason switch
    {
        NoPlace.QueueFull => Ours(ErrorCodes.BackendBusy, "All backends of this model are at work, and as many requests wait as may. Try again in a moment."),
        NoPlace.WaitedTooLong => Ours(ErrorCodes.BackendBusy, "All backends of this model are at work, and none was free in time. Try again in a moment."),
        _ => Ours(ErrorCodes.BackendUnavailable, "No backend of this model is well at the moment. Try again in a while."),
    };

    /// <summary>A budget ran out. A stream's first event depends on the provider's state; everything else on how much the request asks for.</summary>
    public static ProviderException TimedOut(CallClock clock)
    {
        bool provoked = clock.IsLast || clock.Phase != CallPhase.FirstByte || !clock.IsStream;
        string message = clock.IsLast ? "The reply took longer than this gateway waits in all."
            : clock.Phase == CallPhase.FirstByte ? "The provider did not begin to reply in time."
            : "The provider stopped in the middle of the reply.";
        return new ProviderException(ApiError.Create(ErrorCodes.ProviderTimeout, message), provoked);
    }

    /// <summary>The reply broke off, or is none.</summary>
    /// <param name="begun">Whether some of it was handed on.</param>
    public static ProviderException Broken(bool begun) => begun
        ? Ours(ErrorCodes.ReplyInterrupted, "The provider's reply broke off here. What came before is all there is.")
        : Ours(ErrorCodes.ProviderError, "The provider's reply broke off or is not a valid one.");

    public static ProviderException TooLarge(int limit) =>
        new(ApiError.Create(ErrorCodes.ReplyTooLarge, $"The provider's reply is larger than the {limit} bytes this gateway passes on. Ask for less output."), clientProvoked: true);

    private static ProviderException Ours(string code, string message) => new(ApiError.Create(code, message), clientProvoked: false);
}
