using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Issuer.Accounts;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>
/// <c>POST /token-request</c> and <c>POST /token-restore</c> (RFC 9578 §5 and §6, draft-ietf-privacypass-batched-tokens): one request or a batch of up to 1,000,
/// of either token type. Checks come in order of their price; nothing is debited before all of them passed.
/// </summary>
internal sealed class IssuanceEndpoints
{
    // The largest body: requests whose extensions are as long as a plan's can be. Longer ones name no plan.
    private const int MaxBatchBytes = 4 + (GenericBatchRequest.MaxRequests * (TokenRequest.SizeInBytes + MaxExtensionsBytes));
    private const int MaxExtensionsBytes = 96;

    // Up to this size a body is read from anyone.
    private const int SmallBodyBytes = 16 * 1024;

    private readonly IssuanceService _issuance;
    private readonly AccountBook _accounts;
    private readonly RateLimiter _restores;
    private readonly bool _hasFreePlan;
    private readonly Room _room;
    private readonly Room _strangersRoom;

    /// <param name="issuance">Does the work.</param>
    /// <param name="accounts">Tells who may send a large body.</param>
    /// <param name="restores">Bounds restores by account.</param>
    /// <param name="maxBodyBytes">Memory for large bodies, of all requests together.</param>
    /// <param name="hasFreePlan">Whether accounts without credits have something to ask for.</param>
    public IssuanceEndpoints(IssuanceService issuance, AccountBook accounts, RateLimiter restores, long maxBodyBytes, bool hasFreePlan)
    {
        _issuance = issuance;
        _accounts = accounts;
        _restores = restores;
        _room = new Room(maxBodyBytes);

        // Keys are free, memory is not: whoever was never credited shares a smaller room, so that they can't take that of the others.
        _strangersRoom = new Room(maxBodyBytes / 8);
        _hasFreePlan = hasFreePlan;
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Routes.TokenRequest, StorageGuard.Around(IssueAsync));
        routes.MapPost(Routes.TokenRestore, StorageGuard.Around(RestoreAsync));
    }

    private async Task IssueAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        await AnswerAsync(context, account, strangersAreRefused: !_hasFreePlan, _issuance.IssueAsync);
    }

    private async Task RestoreAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        // Keys are free, so that strangers could use up the table's places; for them there is nothing to look up.
        if (await _accounts.ExistsAsync(account, context.RequestAborted) && !_restores.TryTake(account))
        {
            await Problems.WriteAsync(context, ProblemTypes.RateLimited);
            return;
        }

        await AnswerAsync(context, account, strangersAreRefused: false, _issuance.RestoreAsync);
    }

    /// <param name="context">The request.</param>
    /// <param name="account">Hash of its account key.</param>
    /// <param name="strangersAreRefused">Whether an account that was never credited has nothing to gain, and its large body is not even read.</param>
    /// <param name="work">Issues or restores.</param>
    private async Task AnswerAsync(
        HttpContext context, byte[] account, bool strangersAreRefused,
        Func<ReadOnlyMemory<byte>, IReadOnlyList<TokenRequest>, CancellationToken, Task<IssuanceOutcome>> work)
    {
        bool isBatch = MediaTypeMatch.Is(context.Request, MediaTypes.GenericBatchRequest);
        if (!isBatch && !MediaTypeMatch.Is(context.Request, MediaTypes.TokenRequest))
        {
            await Problems.WriteAsync(context, ProblemTypes.UnsupportedMediaType, $"Send {MediaTypes.TokenRequest} or {MediaTypes.GenericBatchRequest}.");
            return;
        }

        int most = isBatch ? MaxBatchBytes : TokenRequest.MaxSizeInBytes;
        long size = context.Request.ContentLength ?? most;
        if (size > most)
        {
            await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge);
            return;
        }

        if (size <= SmallBodyBytes)
        {
            await AnswerCoreAsync(context, account, isBatch, most, work);
            return;
        }

        bool isStranger = !await _accounts.ExistsAsync(account, context.RequestAborted);
        if (isStranger && strangersAreRefused)
        {
            await Problems.WriteAsync(context, ProblemTypes.InsufficientCredit);
            return;
        }

        Room room = isStranger ? _strangersRoom : _room;
        if (!room.TryTake(size))
        {
            await Problems.WriteAsync(context, ProblemTypes.Busy);
            return;
        }

        try
        {
            await AnswerCoreAsync(context, account, isBatch, most, work);
        }
        finally
        {
            room.GiveBack(size);
        }
    }

    private static async Task AnswerCoreAsync(
        HttpContext context, byte[] account, bool isBatch, int most,
        Func<ReadOnlyMemory<byte>, IReadOnlyList<TokenRequest>, CancellationToken, Task<IssuanceOutcome>> work)
    {
        if (await IssuanceBody.ReadAsync(context, isBatch, most) is IReadOnlyList<TokenRequest> requests)
        {
            await IssuanceBody.WriteAsync(context, requests, isBatch, await work(account, requests, context.RequestAborted));
        }
    }

    /// <summary>Memory that several requests share, in bytes.</summary>
    private sealed class Room(long size)
    {
        private long _free = size;

        public bool TryTake(long bytes)
        {
            if (Interlocked.Add(ref _free, -bytes) >= 0)
            {
                return true;
            }

            GiveBack(bytes);
            return false;
        }

        public void GiveBack(long bytes) => Interlocked.Add(ref _free, bytes);
    }
}
