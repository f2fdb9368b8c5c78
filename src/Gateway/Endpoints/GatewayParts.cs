using Microsoft.Extensions.Logging;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Replies;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>What the endpoints of one gateway share, put together at its start.</summary>
internal sealed partial class GatewayParts
{
    public required GatewayOptions Options { get; init; }

    public required CatalogKeeper Catalogs { get; init; }

    public required SignatureQueue Signatures { get; init; }

    public required FalseTokenBrake Brake { get; init; }

    public required SpendLedger Ledger { get; init; }

    public required ReplyStore Replies { get; init; }

    public required SignsOfLife SignsOfLife { get; init; }

    /// <summary>For bodies, until their requests are admitted; from then on the room of their replies bounds how many there are.</summary>
    public required MemoryRoom RequestRoom { get; init; }

    public required ReplyProducer Producer { get; init; }

    public required InferenceRouter Router { get; init; }

    public required ISigner Signer { get; init; }

    public required ChainRenewer Renewer { get; init; }

    public required PseudonymGate Pseudonyms { get; init; }

    /// <summary>Null where nothing can be sealed to this gateway.</summary>
    public required SealingKeys? Sealing { get; init; }

    /// <summary>What can be reached from inside sealed requests.</summary>
    public InnerRoutes Inner { get; } = new();

    /// <summary>When the chunks of sealed streams leave.</summary>
    public required PaceClock Pace { get; init; }

    /// <summary>What has to be passed before a sealed request is opened.</summary>
    public required OpeningGate Openings { get; init; }

    /// <summary>Which sealed requests were taken; there where <see cref="Sealing"/> is.</summary>
    public required ReplayGuard? Replays { get; init; }

    /// <summary>Null where devices are not taken.</summary>
    public required DeviceGate? Devices { get; init; }

    public required AddressLimiter Addresses { get; init; }

    public required WorkGate Work { get; init; }

    public required InstanceProxy Instances { get; init; }

    public required DrainSignal Drain { get; init; }

    public required ChainTotals Totals { get; init; }

    public required GatewayMeter Meter { get; init; }

    public required TimeProvider Time { get; init; }

    public required ILogger Log { get; init; }

    public PlanCatalog Catalog => Catalogs.Current;

    /// <summary>The largest request that anything here pays for.</summary>
    public long MaxInputBytes => Math.Max(Catalog.MaxInputBytes, Devices?.Plan.MaxInputBytes ?? 0);

    /// <summary>Whether a token of this key buys a prompt now; null if so.</summary>
    public ApiError? CheckLive(RedemptionKey key)
    {
        DateTimeOffset now = Time.GetUtcNow();
        if (key.IsClosed)
        {
            return ApiError.Create(
                ErrorCodes.TokenExpired, "This gateway was restored from a backup and cannot know any more whether a token of this key was spent. It takes those of the next period.", "Authorization");
        }

        if (now >= key.Deadline)
        {
            return ApiError.Create(
                ErrorCodes.TokenExpired,
                key.Plan.Kind == PlanKind.Request
                    ? "The token's period is over. It can be exchanged for one of the current period for a while."
                    : "The subscription's period is over, and its chains with it.",
                "Authorization");
        }

        if (now < key.NotBefore)
        {
            return ApiError.Create(ErrorCodes.TokenUnknownKey, "The token's key is not in use yet.", "Authorization");
        }

        return null;
    }

    /// <summary>Whether the plan buys the model and the gateway has it; null if so.</summary>
    public ApiError? CheckModel(Plan plan, string model)
    {
        if (!Router.TryGetModel(model, out _))
        {
            return ApiError.Create(ErrorCodes.ModelNotFound, "This gateway does not serve the model; GET /v1/models lists those it does.", "model");
        }

        return plan.Models.Contains(model) ? null : ApiError.Create(ErrorCodes.PlanMismatch, "The token's plan does not buy this model; GET /v1/models lists the plans that do.", "model");
    }

    public static ApiError Busy() => ApiError.Create(ErrorCodes.GatewayBusy, "The gateway has more to do than it can hold; try again in a moment.");

    /// <summary>What to answer when a spend could not be recorded, and what it says of the token: where not even that is known, the same request finds out.</summary>
    public (ApiError Error, string TokenState) StorageFailed(Exception exception)
    {
        var storage = exception as StorageException;
        LogStorage(Log, storage?.Kind ?? StorageErrorKind.Unavailable);
        return storage is { IsOutcomeUnknown: true }
            ? (ApiError.Create(ErrorCodes.Unavailable, "The gateway lost its database in the middle of a spend. Repeat the same request."), Routes.TokenInFlight)
            : (ApiError.Create(ErrorCodes.Unavailable, "The gateway cannot record spends right now; nothing was spent. Try again later."), Routes.TokenUnspent);
    }

    /// <summary>Starts the producer of a claimed reply; it never throws.</summary>
    public void Produce(Reply reply, SpendClaim claim, Prompt prompt) => _ = Producer.RunAsync(reply, claim, prompt);

    [LoggerMessage(Level = LogLevel.Error, Message = "Spends cannot be recorded ({Kind}): requests are refused until the database is well again.")]
    private static partial void LogStorage(ILogger log, StorageErrorKind kind);
}
