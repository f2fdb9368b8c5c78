using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Tacit.Protocol;

namespace Tacit.Issuer.Accounts;

/// <summary>Reads <c>Authorization: Bearer &lt;account key&gt;</c> (RFC 6750 §2.1).</summary>
internal static class BearerAccount
{
    private const string Scheme = "Bearer ";

    /// <summary>The hash of the account key; or null, and the problem was written.</summary>
    public static async ValueTask<byte[]?> RequireAsync(HttpContext context)
    {
        byte[]? hash = Read(context.Request.Headers.Authorization, out string problem);
        if (hash is null)
        {
            await Problems.WriteAsync(context, problem);
        }

        return hash;
    }

    private static byte[]? Read(StringValues header, out string problem)
    {
        problem = ProblemTypes.AccountKeyRequired;
        if (header.Count != 1 || header[0] is not string value || !value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        problem = ProblemTypes.AccountKeyMalformed;
        if (!AccountKey.TryParse(value.AsSpan(Scheme.Length), out AccountKey? key))
        {
            return null;
        }

        using (key)
        {
            return key.Hash();
        }
    }
}
