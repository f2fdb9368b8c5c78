using System.Buffers.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Hosting;
using Tacit.Issuer.Accounts;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Issuance;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Payments;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Issuer;

/// <summary>
/// The operator's routes, on <c>issuer.sock</c> in the data folder: <c>POST /vouchers</c> (<see cref="VoucherOrder"/> → <see cref="VoucherBatch"/>),
/// <c>GET /status</c> (<see cref="IssuerStatus"/>), <c>GET /keys</c> (a list of <see cref="IssuerKeyStatus"/>), <c>POST /keys/refresh</c> (asks the signer at
/// once; <see cref="IssuerStatus"/>), <c>GET /ledger</c> (<see cref="LedgerReport"/>), <c>GET /payments</c> (<see cref="PaymentReport"/>).
/// </summary>
internal sealed class IssuerManagement
{
    private const int MaxBodyBytes = 4096;
    private const int MaxVouchers = 10_000;
    private const long MaxVoucherCredits = 1_000_000_000_000;

    private readonly IssuerOptions _options;
    private readonly Database _database;
    private readonly VoucherBook _vouchers;
    private readonly PaymentBook _payments;
    private readonly DirectoryPublisher _directory;
    private readonly SealingKeyPoller _gateways;
    private readonly DirectoryKey _key;
    private readonly TimeProvider _time;

    public IssuerManagement(
        IssuerOptions options, Database database, VoucherBook vouchers, PaymentBook payments, DirectoryPublisher directory, SealingKeyPoller gateways,
        DirectoryKey key, TimeProvider time)
    {
        _gateways = gateways;
        _options = options;
        _database = database;
        _vouchers = vouchers;
        _payments = payments;
        _directory = directory;
        _key = key;
        _time = time;
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/vouchers", (RequestDelegate)CreateVouchersAsync);
        routes.MapGet("/status", (RequestDelegate)ShowStatusAsync);
        routes.MapGet("/keys", (RequestDelegate)(async context =>
            await AccountEndpoints.WriteAsync(
                context, StatusCodes.Status200OK, (await StatusAsync(context.RequestAborted)).Keys, IssuerJson.Default.IReadOnlyListIssuerKeyStatus)));
        routes.MapPost("/keys/refresh", (RequestDelegate)(async context =>
        {
            await _directory.RefreshAsync(context.RequestAborted);
            await ShowStatusAsync(context);
        }));
        routes.MapGet("/sales", (RequestDelegate)(async context =>
            await AccountEndpoints.WriteAsync(
                context, StatusCodes.Status200OK,
                await _database.ReadAsync(session => SalesReport.Read(session, _options.Plans), context.RequestAborted), IssuerJson.Default.SalesReport)));
        routes.MapGet("/payments", (RequestDelegate)(async context =>
            await AccountEndpoints.WriteAsync(
                context, StatusCodes.Status200OK, await PaymentsAsync(context.RequestAborted), IssuerJson.Default.PaymentReport)));
        routes.MapGet("/ledger", (RequestDelegate)(async context =>
            await AccountEndpoints.WriteAsync(
                context, StatusCodes.Status200OK, await _database.ReadAsync(LedgerAudit.Run, context.RequestAborted), IssuerJson.Default.LedgerReport)));
    }

    public Task<PaymentReport> PaymentsAsync(CancellationToken cancellationToken) => _payments.ReportAsync(cancellationToken);

    public async Task<VoucherBatch> CreateVouchersAsync(long credits, int count, DateOnly expires, CancellationToken cancellationToken)
    {
        var codes = new string[count];
        var hashes = new byte[count][];
        for (int i = 0; i < count; i++)
        {
            using VoucherCode code = VoucherCode.Create();
            codes[i] = code.ToString();
            hashes[i] = code.Hash();
        }

        await _vouchers.CreateAsync(hashes, credits, LedgerDay.Of(expires), cancellationToken);
        return new VoucherBatch(codes, credits, expires);
    }

    public async Task<IssuerStatus> StatusAsync(CancellationToken cancellationToken)
    {
        PublishedDirectory? published = await _directory.GetAsync(cancellationToken);
        DateTimeOffset now = _time.GetUtcNow();
        IReadOnlyList<IssuanceKey> keys = published?.Catalog?.All ?? [];
        return new IssuerStatus
        {
            IssuerName = _options.IssuerName,
            DirectoryKey = Base64Url.EncodeToString(_key.PublicKey),
            Sequence = published?.Sequence ?? 0,
            Keys =
            [
                .. keys.Where(key => now < key.ExchangeUntil).OrderBy(key => key.PlanId, StringComparer.Ordinal).ThenBy(key => key.PlanKey.Start)
                    .Select(key => new IssuerKeyStatus(
                        key.PlanId, $"0x{(ushort)key.Type:X4}", Convert.ToHexStringLower(key.TokenKeyId), key.PlanKey.NotBefore, key.PlanKey.Start,
                        key.PlanKey.Deadline, key.ExchangeUntil, StateOf(key.PlanKey, now), key.Price)),
            ],
            PlansWithoutKey = [.. _options.Plans.Select(plan => plan.Id).Where(id => !keys.Any(key => key.PlanId == id && key.IssuesAt(now)))],
            Gateways = _gateways.Status,
            Fault = _directory.Fault,
        };
    }

    private static string StateOf(PlanKey key, DateTimeOffset now) => now < key.NotBefore ? "ahead" : now < key.Deadline ? "live" : "exchange";

    private async Task ShowStatusAsync(HttpContext context) =>
        await AccountEndpoints.WriteAsync(
            context, StatusCodes.Status200OK, await StatusAsync(context.RequestAborted), IssuerJson.Default.IssuerStatus);

    private async Task CreateVouchersAsync(HttpContext context)
    {
        using var body = new SensitiveBuffer();
        if (await RequestBody.ReadAsync(context, body, MaxBodyBytes) != BodyReadResult.Complete)
        {
            await ManagementSocket.RefuseAsync(context, StatusCodes.Status413PayloadTooLarge, "The order is too long.");
            return;
        }

        VoucherOrder? order;
        try
        {
            order = JsonSerializer.Deserialize(body.WrittenSpan, IssuerJson.Default.VoucherOrder);
        }
        catch (JsonException)
        {
            order = null;
        }

        DateOnly today = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime);
        if (order is null || order.Credits is < 1 or > MaxVoucherCredits || order.Count is < 1 or > MaxVouchers || order.Expires < today)
        {
            await ManagementSocket.RefuseAsync(
                context, StatusCodes.Status400BadRequest,
                $"A voucher is worth 1 to {MaxVoucherCredits} credits, at most {MaxVouchers} are made at once, and they expire today or later.");
            return;
        }

        VoucherBatch batch = await CreateVouchersAsync(order.Credits, order.Count, order.Expires ?? today.AddYears(1), context.RequestAborted);
        await AccountEndpoints.WriteAsync(context, StatusCodes.Status201Created, batch, IssuerJson.Default.VoucherBatch);
    }
}
