using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Tacit.Client.Transports;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>What the issuer says of the account.</summary>
/// <param name="Credits">What it can spend.</param>
/// <param name="History">The newest day first.</param>
/// <param name="Owed">Credits of a payment that went back after they had become tokens; they come off the next deposit.</param>
public sealed record AccountSummary(long Credits, IReadOnlyList<AccountHistoryEntry> History, long Owed = 0);

/// <summary>Credits at a price.</summary>
/// <param name="Id">What to order it by.</param>
/// <param name="Credits">What it brings.</param>
/// <param name="Amount">In the currency's smallest unit, before what a provider adds as tax.</param>
/// <param name="Currency">ISO 4217.</param>
public sealed record CreditPrice(string Id, long Credits, long Amount, string Currency);

/// <summary>What the issuer sells, and who takes the money. Both are empty where only vouchers bring credits.</summary>
public sealed record CreditPrices(IReadOnlyList<CreditPrice> Offers, IReadOnlyList<string> Providers);

/// <summary>Where to pay for credits.</summary>
/// <param name="Url">The payment provider's page.</param>
/// <param name="Credits">What the account gets once the money has come.</param>
public sealed record CheckoutPage(Uri Url, long Credits);

/// <summary>One line of the issuer's history: everything of one kind and plan on one day.</summary>
/// <param name="Kind">The issuer's word for it.</param>
/// <param name="Plan">The plan's id, or null.</param>
/// <param name="Quantity">How many tokens or vouchers.</param>
/// <param name="Credits">Change of the balance.</param>
public sealed record AccountHistoryEntry(DateOnly Day, string Kind, string? Plan, long Quantity, long Credits);

/// <summary>A voucher that is in the account.</summary>
/// <param name="Worth">What the voucher is worth.</param>
/// <param name="Credits">The account's credits afterwards.</param>
/// <param name="AlreadyDeposited">Whether this account had deposited it before, so that nothing was added now.</param>
public sealed record DepositResult(long Worth, long Credits, bool AlreadyDeposited);

/// <summary>
/// The account at the issuer: one secret key, kept sealed in the wallet. Every call can be repeated; vouchers are journaled before they are sent and sent
/// again until the issuer has said what became of them. Each call is on a connection of its own. Thread safe.
/// </summary>
public sealed class AccountClient
{
    private readonly WalletJournal _journal;
    private readonly IssuerConnection _issuer;
    private readonly string _name;

    public AccountClient(Wallet wallet, DirectoryClient directory, TransportPool transports, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(wallet);
        ArgumentNullException.ThrowIfNull(directory);
        _journal = wallet.Journal;
        _issuer = new IssuerConnection(transports, directory, time);
        _name = directory.Issuer.GetLeftPart(UriPartial.Path).TrimEnd('/');
    }

    /// <summary>Whether the wallet has an account key for this issuer.</summary>
    public async Task<bool> ExistsAsync(CancellationToken cancellationToken = default) => await FindKeyAsync(cancellationToken) is not null;

    /// <summary>Gets a new account key from the issuer and keeps it. If the answer is lost, so is only a key that nobody paid for.</summary>
    /// <returns>The key as text: whoever has it has the account's credits. To be shown once.</returns>
    /// <exception cref="ClientException"><see cref="ClientError.AccountExists"/>, or the issuer's doing.</exception>
    public async Task<string> CreateAsync(CancellationToken cancellationToken = default)
    {
        await RefuseSecondAsync(cancellationToken);
        ServiceReply reply = await _issuer.SendJsonAsync(HttpMethod.Post, Routes.Account, null, null, cancellationToken);
        if (!AccountKey.TryParse(Read(reply, AccountJson.Default.AccountCreated).AccountKey, out AccountKey? key))
        {
            throw new ClientException(ClientError.IssuerMisbehaved, "The issuer answered without a valid account key.");
        }
        using (key)
        {
            await KeepAsync(key, cancellationToken);
            return key.ToString();
        }
    }

    /// <summary>Takes over an account by its key, as after a restore.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.AccountExists"/>, or <see cref="ClientError.InvalidRequest"/> if it is mistyped.</exception>
    public async Task ImportAsync(string accountKey, CancellationToken cancellationToken = default)
    {
        if (!AccountKey.TryParse(accountKey, out AccountKey? key))
        {
            throw new ClientException(ClientError.InvalidRequest, "The account key is mistyped: its check symbol does not fit.", "account_key_mistyped");
        }
        using (key)
        {
            await RefuseSecondAsync(cancellationToken);
            await KeepAsync(key, cancellationToken);
        }
    }

    /// <summary>The account key as text. Secret.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.AccountMissing"/>.</exception>
    public Task<string> RevealKeyAsync(CancellationToken cancellationToken = default) => KeyAsync(cancellationToken);

    /// <summary>The name by which the issuer knows the account, the SHA-256 of its key, as 64 hexadecimal digits; null if there is none. Asks nobody.</summary>
    public async Task<string?> FindHashAsync(CancellationToken cancellationToken = default)
    {
        if (await FindKeyAsync(cancellationToken) is not string text || !AccountKey.TryParse(text, out AccountKey? key))
        {
            return null;
        }
        using (key)
        {
            return Convert.ToHexStringLower(key.Hash());
        }
    }

    /// <summary>Asks the issuer for credits and history.</summary>
    public async Task<AccountSummary> GetAsync(CancellationToken cancellationToken = default)
    {
        string key = await KeyAsync(cancellationToken);
        ServiceReply reply = await _issuer.SendJsonAsync(HttpMethod.Get, Routes.Account, key, null, cancellationToken);
        AccountStatement statement = Read(reply, AccountJson.Default.AccountStatement);
        await NoteCreditsAsync(statement.Credits, cancellationToken);
        return new AccountSummary(
            statement.Credits, [.. statement.History.Select(line => new AccountHistoryEntry(line.Day, line.Kind, line.Plan, line.Count, line.Credits))],
            statement.Owed ?? 0);
    }

    /// <summary>Asks the issuer what it sells, without the account key.</summary>
    public async Task<CreditPrices> GetPricesAsync(CancellationToken cancellationToken = default)
    {
        ServiceReply reply = await _issuer.SendJsonAsync(HttpMethod.Get, Routes.AccountOffers, null, null, cancellationToken);
        CreditOffers offers = Read(reply, AccountJson.Default.CreditOffers);
        if (offers.Offers.Any(offer => offer.Currency.Length != 3 || !offer.Currency.All(char.IsAsciiLetter)))
        {
            throw new ClientException(ClientError.IssuerMisbehaved, "The issuer names a price in something that is no currency.");
        }
        return new CreditPrices([.. offers.Offers.Select(offer => new CreditPrice(offer.Id, offer.Credits, offer.Amount, offer.Currency))], offers.Providers);
    }

    /// <summary>Has a page made on which credits for this account can be paid. Nothing is owed until they are.</summary>
    /// <param name="offer">The id of a price.</param>
    /// <param name="provider">Who is to take the money; null takes the issuer's first.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ClientException"><see cref="ClientError.IssuerRefused"/>: no such offer; <see cref="ClientError.IssuerUnreachable"/>.</exception>
    public async Task<CheckoutPage> CheckOutAsync(string offer, string? provider, CancellationToken cancellationToken = default)
    {
        string key = await KeyAsync(cancellationToken);
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new CheckoutRequest(offer, provider), AccountJson.Default.CheckoutRequest);
        ServiceReply reply = await _issuer.SendJsonAsync(HttpMethod.Post, Routes.AccountCheckouts, key, body, cancellationToken);
        CheckoutCreated created = Read(reply, AccountJson.Default.CheckoutCreated);
        // It is shown, and opened by the user: an address that does something else on opening must not get that far.
        return created.Url is { IsAbsoluteUri: true } url && (url.Scheme == Uri.UriSchemeHttps || (url.Scheme == Uri.UriSchemeHttp && url.IsLoopback))
            ? new CheckoutPage(url, created.Credits)
            : throw new ClientException(ClientError.IssuerMisbehaved, "The issuer answered with a checkout address that is not https.");
    }

    /// <summary>Adds a voucher's credits, once however often it is asked.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.VoucherRefused"/>; <see cref="ClientError.IssuerUnreachable"/>: it stays in the journal and
    /// is sent again.</exception>
    public async Task<DepositResult> DepositAsync(string voucher, CancellationToken cancellationToken = default)
    {
        if (!VoucherCode.TryParse(voucher, out VoucherCode? code))
        {
            throw new ClientException(ClientError.VoucherRefused, "The voucher code is mistyped: its check symbol does not fit.");
        }
        using (code)
        {
            _ = await KeyAsync(cancellationToken);
            byte[] hash = code.Hash();
            byte[] box = _journal.Keys.Seal(Encoding.ASCII.GetBytes(code.ToString()), VoucherPlace(hash));
            await _journal.Database.WriteAsync(
                session => session.Execute(
                    "INSERT INTO voucher (issuer, code_hash, sealed_code, state) VALUES ($1, $2, $3, 0) ON CONFLICT (code_hash) DO NOTHING", _name, hash, box),
                cancellationToken);
            return await SendVoucherAsync(hash, code.ToString(), cancellationToken);
        }
    }

    /// <summary>Sends vouchers again whose answer was lost.</summary>
    internal async Task ResumeAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<(byte[] Hash, byte[] Box)> open = await _journal.Database.ReadAsync(
            session => session.Query("SELECT code_hash, sealed_code FROM voucher WHERE issuer = $1 AND state = 0", row => (row.Blob(0), row.Blob(1)), _name),
            cancellationToken);
        foreach ((byte[] hash, byte[] box) in open)
        {
            await SendVoucherAsync(hash, Encoding.ASCII.GetString(_journal.Keys.Open(box, VoucherPlace(hash))), cancellationToken);
        }
    }

    /// <summary>The account key for a Bearer header.</summary>
    internal async Task<string> KeyAsync(CancellationToken cancellationToken) =>
        await FindKeyAsync(cancellationToken)
        ?? throw new ClientException(ClientError.AccountMissing, "The wallet has no account yet. Create one and deposit a voucher: tacit account create, tacit account deposit CODE.");

    internal Task NoteCreditsAsync(long credits, CancellationToken cancellationToken) =>
        _journal.Database.WriteAsync(session => session.Execute("UPDATE account SET credits = $2 WHERE issuer = $1", _name, credits), cancellationToken);

    internal IssuerConnection Issuer => _issuer;

    private async Task<DepositResult> SendVoucherAsync(byte[] hash, string code, CancellationToken cancellationToken)
    {
        string key = await KeyAsync(cancellationToken);
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new VoucherRedemptionRequest(code), AccountJson.Default.VoucherRedemptionRequest);
        ServiceReply reply = await _issuer.SendJsonAsync(HttpMethod.Post, Routes.AccountVouchers, key, body, cancellationToken);
        if (!reply.IsSuccess)
        {
            ClientException refusal = IssuerConnection.Refuse(reply);
            if (refusal.Error == ClientError.VoucherRefused)
            {
                await _journal.Database.WriteAsync(session => session.Execute("DELETE FROM voucher WHERE code_hash = $1 AND state = 0", hash), cancellationToken);
            }
            throw refusal;
        }
        VoucherRedemption redeemed = Read(reply, AccountJson.Default.VoucherRedemption);
        await _journal.DepositedAsync(_name, hash, redeemed.VoucherCredits, redeemed.Credits, cancellationToken);
        return new DepositResult(redeemed.VoucherCredits, redeemed.Credits, redeemed.AlreadyRedeemed);
    }

    private async Task<string?> FindKeyAsync(CancellationToken cancellationToken)
    {
        byte[]? box = await _journal.Database.ReadAsync(
            session => session.QuerySingle("SELECT sealed_key FROM account WHERE issuer = $1", row => row.Blob(0), _name), cancellationToken);
        return box is null ? null : Encoding.ASCII.GetString(_journal.Keys.Open(box, AccountPlace));
    }

    private Task<int> KeepAsync(AccountKey key, CancellationToken cancellationToken)
    {
        byte[] text = Encoding.ASCII.GetBytes(key.ToString());
        byte[] box = _journal.Keys.Seal(text, AccountPlace);
        CryptographicOperations.ZeroMemory(text);
        return _journal.Database.WriteAsync(session => session.Execute("INSERT INTO account (issuer, sealed_key) VALUES ($1, $2)", _name, box), cancellationToken);
    }

    private async Task RefuseSecondAsync(CancellationToken cancellationToken)
    {
        if (await ExistsAsync(cancellationToken))
        {
            throw new ClientException(ClientError.AccountExists, "The wallet has an account already.");
        }
    }

    private byte[] AccountPlace => Encoding.UTF8.GetBytes("account " + _name);

    private static byte[] VoucherPlace(byte[] hash) => [.. "voucher"u8, .. hash];

    private static T Read<T>(ServiceReply reply, JsonTypeInfo<T> form)
    {
        if (!reply.IsSuccess)
        {
            throw IssuerConnection.Refuse(reply);
        }
        try
        {
            return JsonSerializer.Deserialize(reply.Body, form) ?? throw new JsonException();
        }
        catch (JsonException)
        {
            throw new ClientException(ClientError.IssuerMisbehaved, "The issuer's answer is not of the form it must have.");
        }
    }
}
