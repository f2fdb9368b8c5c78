using Microsoft.AspNetCore.Http;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Issuer;

/// <summary>Answers for a database in trouble: a full disk is the operator's problem and no fault of the request, which may be repeated.</summary>
internal static class StorageGuard
{
    public static RequestDelegate Around(RequestDelegate handler) => async context =>
    {
        try
        {
            await handler(context);
        }
        catch (StorageException e) when (!context.Response.HasStarted)
        {
            await Problems.WriteAsync(
                context,
                e.Kind is StorageErrorKind.Statement or StorageErrorKind.Constraint ? ProblemTypes.InternalError : ProblemTypes.StorageUnavailable,
                "Nothing is lost: repeat the request.");
        }
    };
}
