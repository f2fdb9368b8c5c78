using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Issuer.Issuance;
using Tacit.Issuer.Ledger;
using Tacit.Protocol;

namespace Tacit.Issuer.Accounts;

/// <summary><c>POST</c>, <c>GET</c> and <c>DELETE /account</c>.</summary>
internal sealed class AccountEndpoints
{
    private readonly AccountBook _accounts;
    private readonly Dictionary<string, int> _concurrency;
    private readonly TimeProvider _time;

    /// <param name="accounts">The accounts.</param>
    /// <param name="plans">What is sold, with the number of chains of subscriptions.</param>
    /// <param name="time">Tells which subscriptions still last.</param>
    public AccountEndpoints(AccountBook accounts, IEnumerable<Plan> plans, TimeProvider time)
    {
        _accounts = accounts;
        _concurrency = plans.ToDictionary(plan => plan.Id, plan => plan.Concurrency, StringComparer.Ordinal);
        _time = time;
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Routes.Account, StorageGuard.Around(CreateAsync));
        routes.MapGet(Routes.Account, StorageGuard.Around(ShowAsync));
        routes.MapDelete(Routes.Account, StorageGuard.Around(DeleteAsync));
    }

    /// <summary>Writes a private answer, which nothing on the way may keep.</summary>
    public static Task WriteAsync<T>(HttpContext context, int status, T value, JsonTypeInfo<T> type)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(value, type);
        context.Response.StatusCode = status;
        context.Response.ContentType = MediaTypes.Json;
        context.Response.ContentLength = body.Length;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.Body.WriteAsync(body, context.RequestAborted).AsTask();
    }

    private static Task CreateAsync(HttpContext context)
    {
        // Nothing is stored: an account begins with its first credit, so that making millions of them costs the issuer nothing.
        using AccountKey key = AccountKey.Create();
        return WriteAsync(context, StatusCodes.Status201Created, new AccountCreated(key.ToString()), AccountJson.Default.AccountCreated);
    }

    private async Task ShowAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        AccountView view = await _accounts.ViewAsync(account, _time.GetUtcNow(), context.RequestAborted);
        await WriteAsync(
            context, StatusCodes.Status200OK,
            new AccountStatement(view.Balance,
            [
                .. view.History.Select(entry => new AccountEntry(LedgerDay.ToDate(entry.Day), entry.Kind, entry.Quantity, entry.Credits, entry.PlanId)),
            ],
            [.. view.Subscriptions.Select(Show)],
            view.Owed == 0 ? null : view.Owed),
            AccountJson.Default.AccountStatement);
    }

    /// <summary>A plan that is sold no more keeps as many chains as were started.</summary>
    private AccountSubscription Show(HeldSubscription held)
    {
        int concurrency = _concurrency.GetValueOrDefault(held.PlanId, Math.Max(1, held.Elements));
        return new AccountSubscription(
            held.PlanId, held.Start, held.Deadline, Math.Min(held.Elements, concurrency), concurrency, RestartUsed: held.Elements > concurrency);
    }

    private async Task DeleteAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        await _accounts.DeleteAsync(account, LedgerDay.Of(_time.GetUtcNow()), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }
}
