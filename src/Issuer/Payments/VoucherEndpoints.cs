using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Hosting;
using Tacit.Issuer.Accounts;
using Tacit.Issuer.Ledger;
using Tacit.Protocol;

namespace Tacit.Issuer.Payments;

/// <summary><c>POST /account/vouchers</c>.</summary>
internal sealed class VoucherEndpoints
{
    private const int MaxBodyBytes = 4096;

    private readonly VoucherBook _vouchers;
    private readonly SourceLimiter _failures;
    private readonly TimeProvider _time;

    public VoucherEndpoints(VoucherBook vouchers, SourceLimiter failures, TimeProvider time)
    {
        _vouchers = vouchers;
        _failures = failures;
        _time = time;
    }

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost(Routes.AccountVouchers, StorageGuard.Around(RedeemAsync));

    private async Task RedeemAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        if (!MediaTypeMatch.Is(context.Request, MediaTypes.Json))
        {
            await Problems.WriteAsync(context, ProblemTypes.UnsupportedMediaType, $"Send {MediaTypes.Json}.");
            return;
        }

        // A code has 128 random bits and can't be guessed; the limit keeps guessing from costing the issuer anything. By address, since keys are free.
        if (!_failures.HasOne(context))
        {
            await Problems.WriteAsync(context, ProblemTypes.RateLimited);
            return;
        }

        using var body = new SensitiveBuffer();
        switch (await RequestBody.ReadAsync(context, body, MaxBodyBytes))
        {
            case BodyReadResult.TooLarge:
                await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge);
                return;
            case BodyReadResult.Aborted:
                context.Abort();
                return;
            default:
                break;
        }

        if (ReadCode(body.WrittenSpan, out string? problem) is not byte[] code)
        {
            _failures.TryTake(context);
            await Problems.WriteAsync(context, problem!);
            return;
        }

        RedemptionResult result = await _vouchers.RedeemAsync(account, code, LedgerDay.Of(_time.GetUtcNow()), context.RequestAborted);
        switch (result.Status)
        {
            case RedemptionStatus.Redeemed or RedemptionStatus.AlreadyRedeemed:
                await AccountEndpoints.WriteAsync(
                    context, StatusCodes.Status200OK,
                    new VoucherRedemption(result.VoucherCredits, result.Balance, result.Status == RedemptionStatus.AlreadyRedeemed),
                    AccountJson.Default.VoucherRedemption);
                return;
            case RedemptionStatus.Unknown:
                _failures.TryTake(context);
                await Problems.WriteAsync(context, ProblemTypes.VoucherUnknown);
                return;
            case RedemptionStatus.Spent:
                _failures.TryTake(context);
                await Problems.WriteAsync(context, ProblemTypes.VoucherUsed);
                return;
            default:
                await Problems.WriteAsync(context, ProblemTypes.VoucherExpired);
                return;
        }
    }

    private static byte[]? ReadCode(ReadOnlySpan<byte> body, out string? problem)
    {
        problem = ProblemTypes.RequestMalformed;
        try
        {
            VoucherRedemptionRequest? request = JsonSerializer.Deserialize(body, AccountJson.Default.VoucherRedemptionRequest);
            if (request is null)
            {
                return null;
            }

            problem = ProblemTypes.VoucherMalformed;
            if (!VoucherCode.TryParse(request.Code, out VoucherCode? code))
            {
                return null;
            }

            using (code)
            {
                return code.Hash();
            }
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
