using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Issuer;

/// <summary>Writes the issuer's errors: RFC 9457 problem details, never with anything of the request in them.</summary>
internal static class Problems
{
    public static Task WriteAsync(HttpContext context, string type, string? detail = null)
    {
        Problem problem = ProblemTypes.Create(type, detail);
        HttpResponse response = context.Response;
        response.StatusCode = problem.Status;
        response.ContentType = MediaTypes.ProblemJson;
        response.Headers.CacheControl = "no-store";
        switch (problem.Status)
        {
            case StatusCodes.Status401Unauthorized:
                response.Headers.WWWAuthenticate = "Bearer";
                break;
            case StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable:
                response.Headers.RetryAfter = "2";
                break;
            default:
                break;
        }

        byte[] body = problem.Encode();
        response.ContentLength = body.Length;
        return response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    /// <summary>For what no route answers, or what failed under it.</summary>
    public static Task WriteStatusAsync(HttpContext context, int status) => WriteAsync(context, ProblemTypes.OfStatus(status));
}
