using Microsoft.AspNetCore.Http;
using Tacit.Client;

namespace Tacit.App;

/// <summary>What a message says that has no reply, or not all of it: the codes and words of <c>/v1</c>, and whether asking again may help.</summary>
internal static class ReplyErrors
{
    public static MessageError TooLarge { get; } = new("reply_too_large", "The reply is larger than any plan allows, and was stopped.", true);

    /// <summary>The stream ended as if it were whole, without having said so.</summary>
    public static MessageError Incomplete { get; } = new("reply_interrupted", "The reply ended before it was complete. Asking again costs another token.", true);

    /// <summary>The app ended while the reply came, and nothing of it waits any more.</summary>
    public static MessageError Lost { get; } = new(
        "reply_lost", "The app ended while this reply came, and it is no longer kept at the gateway. Asking again costs another token.", true);

    public static MessageError From(Exception e)
    {
        if (e is ClientException { Error: ClientError.NothingPending })
        {
            return Lost;
        }
        ApiFault fault = ApiErrors.From(e);
        // Where a program must not repeat by itself since it would pay again, a person may decide to.
        return new MessageError(fault.Code, fault.Message, fault.Retry || fault.Status is StatusCodes.Status409Conflict);
    }

    /// <summary>An error instead of a reply.</summary>
    /// <param name="said">What it said, if it was in the form of an error.</param>
    public static MessageError OfGateway(PromptReply reply, (string Code, string Message)? said)
    {
        (string code, string message) = said ?? ("gateway_error", $"The gateway answered {reply.Status}.");
        return new MessageError(code, message, reply.Status is 408 or 409 or 429 or >= 500);
    }

    /// <summary>An error in the middle of a reply.</summary>
    public static MessageError OfStream(string code, string message) => new(code, message, true);

    /// <summary>What a person should know of how a whole reply ended.</summary>
    public static IEnumerable<string> NoticesOf(string? finishReason)
    {
        if (finishReason == "length")
        {
            yield return "The reply was cut off: it reached the most that the plan or the model allows.";
        }
        else if (finishReason == "content_filter")
        {
            yield return "The provider left out a part of the reply.";
        }
    }
}
