using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>Writes an <see cref="ApiError"/> as a response, in the shape of the API that the path belongs to.</summary>
internal static class ErrorReply
{
    /// <summary>
    /// Answers a request whose body did not come: too slow or cut short. Whoever is still there learns that nothing was spent; the connection is of no more use.
    /// </summary>
    public static async Task WriteIncompleteAsync(HttpContext context)
    {
        if (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        context.Response.Headers.Connection = "close";
        await WriteAsync(
            context, ApiError.Create(ErrorCodes.RequestIncomplete, "The request's body ended early or came too slowly; nothing was spent."), Routes.TokenUnspent);
    }

    /// <param name="context">Nothing of the response has been sent.</param>
    /// <param name="error">What happened.</param>
    /// <param name="tokenState">The <c>Tacit-Token</c> header, null if the request carried no token.</param>
    /// <param name="challenges">The <c>WWW-Authenticate</c> header of a 401.</param>
    public static async Task WriteAsync(HttpContext context, ApiError error, string? tokenState = null, StringValues challenges = default)
    {
        HttpResponse response = context.Response;
        response.StatusCode = error.Status;
        response.ContentType = MediaTypes.Json;
        if (tokenState is not null)
        {
            response.Headers[Routes.TokenStateHeader] = tokenState;
        }

        if (challenges.Count > 0)
        {
            response.Headers.WWWAuthenticate = challenges;
        }

        if (error.Status == StatusCodes.Status503ServiceUnavailable || error.Code == ErrorCodes.RequestInFlight)
        {
            response.Headers.RetryAfter = "1";
        }

        if (error.RetryAfter is int seconds)
        {
            response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        byte[] body = error.Encode(ApiDialects.Of(context.Request.Path.Value));
        response.ContentLength = body.Length;
        await response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}
