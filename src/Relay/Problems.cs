using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Relay;

/// <summary>Writes the relay's own errors: RFC 9457 problem details. What a gateway says comes sealed, or is passed on as it is.</summary>
internal static class Problems
{
    public static Task WriteAsync(HttpContext context, string type, string? detail = null)
    {
        Problem problem = ProblemTypes.Create(type, detail);
        HttpResponse response = context.Response;
        response.StatusCode = problem.Status;
        response.ContentType = MediaTypes.ProblemJson;
        response.Headers.CacheControl = "no-store";
        if (problem.Status == StatusCodes.Status503ServiceUnavailable)
        {
            response.Headers.RetryAfter = "2";
        }

        byte[] body = problem.Encode();
        response.ContentLength = body.Length;
        return response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    /// <summary>For what no route answers, or what failed under it.</summary>
    public static Task WriteStatusAsync(HttpContext context, int status) => WriteAsync(context, ProblemTypes.OfStatus(status));
}
