using Tacit.Issuer.Payments;
using Tacit.Issuer.Payments.Providers;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

/// <summary>When a checkout that nobody paid is forgotten. Days are those of the issuer's clock.</summary>
public class CheckoutForgettingTests : IAsyncLifetime
{
    private const long Day = 20_000;
    private static readonly CreditPack s_pack = new() { Id = "small", Credits = 100, Amount = 500, Currency = "USD" };
    private static readonly SoldItem s_offer = new(500, "USD", null);

    private readonly TestFolder _folder = new();
    private Database _database = null!;
    private PaymentBook _book = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await (await RoleDatabase.CreateAsync(_folder.Beside("database")))
            .OpenAsync(Path.Combine(_folder.Data, "issuer.db"), IssuerSchema.Migrations, TimeProvider.System);
        _book = new PaymentBook(_database);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Clock_that_jumped_ahead_and_was_put_right_has_lost_no_checkout_and_no_refund()
    {
        byte[] before = await OpenAsync(Day);
        byte[] refunded = await OpenAsync(Day);
        await _book.ApplyAsync("stripe", new PaymentReversed("evt_0", "pi_2", PaymentReversed.AllRefunds, 500, 0, 0), Day);
        byte[] meanwhile = await OpenAsync(Day + 365);
        await OpenAsync(Day + 366);
        await OpenAsync(Day + 1);

        Assert.Equal(NoticeOutcome.Applied, await PayAsync(before, "pi_1", Day + 1));
        Assert.Equal(NoticeOutcome.Applied, await PayAsync(refunded, "pi_2", Day + 1));
        Assert.Equal(NoticeOutcome.Applied, await PayAsync(meanwhile, "pi_3", Day + 1));
        PaymentReport report = await _book.ReportAsync(Ct);
        Assert.Equal((3, 300, 100), (report.Payments, report.Credits, report.Reversed));
    }

    [Fact]
    public async Task Checkout_that_nobody_paid_is_forgotten_in_the_end()
    {
        byte[] old = await OpenAsync(Day);
        byte[] paid = await OpenAsync(Day);
        Assert.Equal(NoticeOutcome.Applied, await PayAsync(paid, "pi_1", Day));
        await OpenAsync(Day + 100);
        await OpenAsync(Day + 107);

        Assert.Equal(NoticeOutcome.Stray, await PayAsync(old, "pi_2", Day + 107));
        PaymentReport report = await _book.ReportAsync(Ct);
        Assert.Equal((1, 2), (report.Payments, report.OpenCheckouts));
    }

    private async Task<byte[]> OpenAsync(long day)
    {
        byte[] reference = PaymentReference.Create();
        await _book.OpenCheckoutAsync(reference, "stripe", new byte[32], s_pack, s_offer, day, Ct);
        return reference;
    }

    private Task<NoticeOutcome> PayAsync(byte[] reference, string payment, long day) =>
        _book.ApplyAsync("stripe", new PaymentReceived("evt_" + payment, PaymentReference.Format(reference), payment, 500, s_offer), day);
}
