using Tacit.Issuer.Accounts;
using Tacit.Issuer.Ledger;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class LedgerTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private Database? _database;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _database = await (await RoleDatabase.CreateAsync(_folder.Beside("database")))
        .OpenAsync(Path.Combine(_folder.Data, "issuer.db"), IssuerSchema.Migrations, TimeProvider.System);

    public async ValueTask DisposeAsync()
    {
        await _database!.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Balance_below_zero_is_impossible_and_undoes_the_whole_work()
    {
        await _database!.WriteAsync(session => AccountBook.Open(session, 7, new byte[32]), Token);
        InsufficientCreditsException e = await Assert.ThrowsAsync<InsufficientCreditsException>(() => _database.WriteAsync(
            session =>
            {
                session.Execute("INSERT INTO voucher (code_hash, credits, expires_day) VALUES ($1, 5, 0)", new byte[32]);
                LedgerBook.Post(session, LedgerTransaction.Tokens(7, "chat", 1, 1, 0));
            },
            Token));
        Assert.Equal((1, 0), (e.Required, e.Available));
        Assert.Equal(0, await CountAsync("voucher"));
        Assert.Equal(0, await CountAsync("ledger_transaction"));
        await Assert.ThrowsAsync<StorageException>(() => _database.WriteAsync(session => session.Execute("UPDATE account SET balance = -1"), Token));
        Assert.True((await AuditAsync()).IsSound);
    }

    [Fact]
    public async Task Any_mix_of_movements_keeps_the_books_sound()
    {
        for (int i = 1; i <= 5; i++)
        {
            long id = i;
            await _database!.WriteAsync(session => AccountBook.Open(session, id, BitConverter.GetBytes(id)), Token);
        }

        byte[] choices = System.Security.Cryptography.RandomNumberGenerator.GetBytes(600);
        await Task.WhenAll(choices.Chunk(2).Select(async choice =>
        {
            long account = 1 + (choice[0] % 5);
            long amount = 1 + (choice[1] % 50);
            try
            {
                await _database!.WriteAsync(
                    session => LedgerBook.Post(session, (choice[0] >> 4) switch
                    {
                        < 6 => LedgerTransaction.Refund(account, "chat", 1, amount, 1),
                        < 14 => LedgerTransaction.Tokens(account, "chat", 1, amount, 1),
                        _ => LedgerTransaction.Closed(account, amount, 1),
                    }),
                    Token);
            }
            catch (InsufficientCreditsException)
            {
                // As it should be.
            }
        }));
        LedgerReport report = await AuditAsync();
        Assert.True(report.IsSound, report.ToString());
        Assert.True(await CountAsync("ledger_transaction") > 50);
    }

    [Theory]
    [InlineData("UPDATE account SET balance = balance + 1")]
    [InlineData("DELETE FROM ledger_posting WHERE account > 0")]
    [InlineData("UPDATE ledger_posting SET amount = amount + 1 WHERE account < 0")]
    [InlineData("UPDATE ledger_posting SET amount = amount * 2")]
    [InlineData("DELETE FROM ledger_posting")]
    [InlineData("UPDATE voucher SET redeemed_by = NULL")]
    public async Task Audit_finds_books_that_were_tampered_with(string tampering)
    {
        var vouchers = new Payments.VoucherBook(_database!);
        byte[] code = new byte[32];
        await vouchers.CreateAsync([code], 10, 100, Token);
        Assert.Equal(Payments.RedemptionStatus.Redeemed, (await vouchers.RedeemAsync(new byte[32], code, 1, Token)).Status);
        Assert.True((await AuditAsync()).IsSound);
        await _database!.WriteAsync(session => session.Execute(tampering), Token);
        Assert.False((await AuditAsync()).IsSound);
    }

    private async Task<long> CountAsync(string table) => (await _database!.ReadAsync(session => session.QueryInt64($"SELECT COUNT(*) FROM {table}"), Token))!.Value;

    private Task<LedgerReport> AuditAsync() => _database!.ReadAsync(LedgerAudit.Run, Token);
}
