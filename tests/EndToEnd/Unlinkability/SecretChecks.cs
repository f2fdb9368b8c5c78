using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Tacit.Client.Tests.Support;
using Tacit.Crypto.Rsa;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>Something a side holds: a message that passed it, a file, a log.</summary>
internal sealed record Evidence(string Where, byte[] Bytes)
{
    public static Evidence Of(string side, Passing passing)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{passing.Method} {passing.Path}\n");
        Append(passing.Headers);
        byte[] head = Encoding.UTF8.GetBytes(text.ToString());
        text.Clear();
        Append(passing.Answer?.Headers ?? new Dictionary<string, string>());
        return new Evidence($"{side}'s wire, {passing.Path}", [.. head, .. passing.Body, .. Encoding.UTF8.GetBytes(text.ToString()), .. passing.Answer?.Body ?? []]);

        void Append(IReadOnlyDictionary<string, string> headers)
        {
            foreach ((string name, string value) in headers)
            {
                text.Append(CultureInfo.InvariantCulture, $"{name}: {value}\n");
            }

            text.Append('\n');
        }
    }

    public static IEnumerable<Evidence> Of(string side, Snapshot snapshot) => snapshot.Files.Select(file => new Evidence($"{side}'s {file.File}, {snapshot.Moment}", file.Bytes));
}

/// <summary>What neither side may hold of the other's: each secret of the wallets and each value of the other's wire, searched for in everything.</summary>
internal sealed class SecretChecks
{
    private readonly SecretSearch _issuers = new();
    private readonly SecretSearch _gateways = new();
    private readonly SecretSearch _issuersDisk = new();
    private readonly SecretSearch _gatewaysDisk = new();

    public int Patterns => _issuers.Count + _gateways.Count + _issuersDisk.Count + _gatewaysDisk.Count;

    /// <summary>A pair's secrets, and what each side saw of it.</summary>
    public void Add(KeyArithmetic key, TruePair pair)
    {
        Token token = pair.Redemption.Token;
        byte[] factor = key.Factor(pair.Issuance.BlindSignature, token.Authenticator);
        byte[] salt = new byte[48];
        SeededBlinding.DeriveSalt(pair.BlindingSeed, salt);

        // The wallet's own, on neither side.
        foreach (SecretSearch side in (ReadOnlySpan<SecretSearch>)[_issuers, _gateways])
        {
            side.Add("a blinding factor", factor);
            side.Add("the inverse of a blinding factor", key.Inverse(factor));
            side.Add("a blinding seed", pair.BlindingSeed);
        }

        // A token under metadata brings its salt, which anyone with the public key can read out of the token besides; a gateway has no use for it once it is checked.
        _issuers.Add("a salt", salt);
        (token.Type == TokenType.PartiallyBlindRsa ? _gatewaysDisk : _gateways).Add("a salt", salt);

        // What redemption shows, not at the issuer; and not kept by the gateway, but for the spend id.
        _issuers.Add("a nonce", token.Nonce);
        _issuers.Add("an authenticator", token.Authenticator);
        _issuers.Add("an encoded message", key.EncodedMessage(token.Authenticator));
        _issuers.AddHashes("a token input", token.TokenInput);
        _issuers.Add("a token", token.Encoded.Span);
        _issuers.Add("a spend id", pair.Redemption.SpendId);
        _gatewaysDisk.Add("a nonce", token.Nonce);
        _gatewaysDisk.Add("an authenticator", token.Authenticator);

        // What issuance shows, not at the gateway, unless the gateway itself passed it on; and of the element only a hash kept by the issuer.
        if (pair.Issuance.Account.Length > 0)
        {
            _gateways.Add("a blinded element", pair.Issuance.Blinded);
            _gateways.Add("a blind signature", pair.Issuance.BlindSignature);
        }

        foreach (SecretSearch disk in (ReadOnlySpan<SecretSearch>)[_issuersDisk, _gatewaysDisk])
        {
            disk.Add("a blinded element", pair.Issuance.Blinded);
            disk.Add("a blind signature", pair.Issuance.BlindSignature);
        }
    }

    /// <summary>What ties a pseudonym to the one that may take its place: shown when it does, at the gateway, and kept by nobody.</summary>
    /// <param name="opening">32 bytes.</param>
    /// <param name="isShown">Whether it was.</param>
    public void AddOpening(ReadOnlySpan<byte> opening, bool isShown)
    {
        _issuers.Add("an opening", opening);
        (isShown ? _gatewaysDisk : _gateways).Add("an opening", opening);
    }

    /// <summary>What the gateway keeps.</summary>
    public void AddGatewayRow(StoredRow row)
    {
        if (row.Columns.TryGetValue("request_tag", out object? tag))
        {
            _issuers.Add("a request tag", (byte[])tag!);
        }

        if (row.Columns.TryGetValue("hash_key", out object? key))
        {
            _issuers.Add("the key of pseudonyms' names", (byte[])key!);
        }

        if (row.Columns.TryGetValue("pseudonym", out object? name))
        {
            _issuers.AddText("a pseudonym's name", (string)name!);
        }
    }

    /// <summary>What the issuer keeps.</summary>
    public void AddIssuerRow(StoredRow row)
    {
        switch (row.Table)
        {
            case "issued" or "pseudonym":
                _gateways.Add("the hash of an element", (byte[])row.Columns["element"]!);
                break;
            case "account":
                _gateways.Add("the hash of an account key", (byte[])row.Columns["key_hash"]!);
                AddNumber("the number of an account", (long)row.Columns["id"]!);
                break;
            case "voucher":
                _gateways.Add("the hash of a voucher", (byte[])row.Columns["code_hash"]!);
                break;
            case "ledger_transaction":
                AddNumber("the number of a transaction", (long)row.Columns["id"]!);
                break;
            default:
                break;
        }

        void AddNumber(string what, long number)
        {
            byte[] text = Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));
            if (text.Length >= 16)
            {
                _gateways.Add(what, text);
            }
        }
    }

    public void AddWallet(string seed, string accountKey, IEnumerable<string> vouchers)
    {
        Assert.True(WalletSeed.TryParse(seed, out WalletSeed? parsedSeed));
        Assert.True(AccountKey.TryParse(accountKey, out AccountKey? parsedKey));
        foreach (SecretSearch side in (ReadOnlySpan<SecretSearch>)[_issuers, _gateways])
        {
            side.AddText("a wallet's seed", seed);
            side.Add("a wallet's seed", parsedSeed.Bytes);
            side.Add("a hash of a wallet's seed", parsedSeed.Hash());
        }

        foreach (SecretSearch search in (ReadOnlySpan<SecretSearch>)[_gateways, _issuersDisk])
        {
            search.AddText("an account key", accountKey);
            search.Add("an account key", parsedKey.Bytes);
            foreach (string voucher in vouchers)
            {
                Assert.True(VoucherCode.TryParse(voucher, out VoucherCode? code));
                search.AddText("a voucher", voucher);
                search.Add("a voucher", code.Bytes);
            }
        }
    }

    public IEnumerable<string> InIssuersWire(IEnumerable<Evidence> evidence) => Find(evidence, _issuers);

    public IEnumerable<string> InGatewaysWire(IEnumerable<Evidence> evidence) => Find(evidence, _gateways);

    public IEnumerable<string> OnIssuersDisk(IEnumerable<Evidence> evidence) => Find(evidence, _issuers, _issuersDisk);

    public IEnumerable<string> OnGatewaysDisk(IEnumerable<Evidence> evidence) => Find(evidence, _gateways, _gatewaysDisk);

    public IEnumerable<string> InLogs(IEnumerable<Evidence> evidence) => Find(evidence, _issuers, _issuersDisk, _gateways, _gatewaysDisk);

    private static List<string> Find(IEnumerable<Evidence> evidence, params SecretSearch[] searches) =>
        [.. evidence.AsParallel().SelectMany(item => searches.SelectMany(search => search.Find(item.Where, item.Bytes))).Distinct()];
}
