using Microsoft.AspNetCore.Http;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>What became of a token, in the header of the answer. An answer of success to a prompt has been bought, and does not say so.</summary>
internal static class TokenStateHeader
{
    /// <param name="context">Its status is set.</param>
    /// <param name="state">One of the values in <see cref="Routes"/>.</param>
    public static void Write(HttpContext context, string state)
    {
        // Another instance is told in any case: it passes on nothing that does not come from one of this gateway.
        if (state != Routes.TokenSpent || context.Response.StatusCode is < 200 or >= 300 || InstanceProxy.IsPassedOn(context.Request))
        {
            context.Response.Headers[Routes.TokenStateHeader] = state;
        }
    }
}
