using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// Puts together what issuer and gateway hold of pseudonyms after a run, and beside it the truth from the wallets: which element, sent by which account, became which
/// pseudonym at the gateway.
/// </summary>
internal sealed class PseudonymReader
{
    private readonly PseudonymFleet _fleet;
    private readonly Dictionary<string, Issuance> _issuances = [];
    private readonly Dictionary<string, Redemption> _redemptions = [];
    private readonly Dictionary<byte, byte[]> _keys = [];
    private readonly Transcript _transcript;
    private readonly SecretChecks _secrets = new();

    private PseudonymReader(PseudonymFleet fleet, Transcript transcript)
    {
        _fleet = fleet;
        _transcript = transcript;
    }

    /// <returns>The transcript, and the secrets that belong to no single token.</returns>
    public static async Task<(Transcript Transcript, SecretChecks Secrets)> ReadAsync(PseudonymFleet fleet)
    {
        var reader = new PseudonymReader(fleet, new Transcript());
        List<(FleetWallet Wallet, PseudonymRow Row, Token Token, byte[] Secrets, byte[] PublicKey)> truth = [];
        foreach (FleetWallet wallet in fleet.Wallets)
        {
            IssuerDirectory directory = await wallet.Client.Directory.CurrentAsync(CancellationToken.None);
            foreach (PseudonymRow row in await wallet.Client.Wallet.Journal.PseudonymsAsync(directory.IssuerName, CancellationToken.None))
            {
                Assert.True(Token.TryParse(wallet.Client.Wallet.Journal.OpenPseudonym(row), out Token? token));
                truth.Add((wallet, row, token, wallet.Client.Wallet.Journal.OpenPseudonymSecrets(row), directory.FindTokenKey(row.KeyId)!.SubjectPublicKeyInfo));
            }

            reader._secrets.AddWallet(wallet.Seed, wallet.AccountKey, wallet.Vouchers);
        }

        foreach ((_, PseudonymRow row, _, _, byte[] publicKey) in truth.DistinctBy(entry => Convert.ToHexString(entry.Row.KeyId)))
        {
            reader._keys.Add(row.KeyId[^1], row.KeyId);
            reader._transcript.Keys.Add(CrowdOf(row.KeyId), new KeyArithmetic(BlindRsaPublicKey.ImportSubjectPublicKeyInfo(publicKey)));
        }

        reader.ReadIssuances();
        reader.ReadRedemptions();
        foreach ((FleetWallet wallet, PseudonymRow row, Token token, byte[] secrets, byte[] publicKey) in truth)
        {
            reader.Join(wallet, row, token, secrets, publicKey);
        }

        reader._transcript.Pairs.Sort((a, b) => a.Issuance.Seen["order"].Value.CompareTo(b.Issuance.Seen["order"].Value));
        Assert.Equal(reader._redemptions.Count, reader._transcript.Pairs.Count);
        Assert.Equal(reader._issuances.Count, truth.Count);
        foreach (StoredRow stored in fleet.GatewaySnapshots[^1].Rows)
        {
            reader._secrets.AddGatewayRow(stored);
        }

        foreach (StoredRow stored in fleet.IssuerSnapshots[^1].Rows)
        {
            reader._secrets.AddIssuerRow(stored);
        }

        return (reader._transcript, reader._secrets);
    }

    private static string CrowdOf(ReadOnlySpan<byte> keyId) => TokenSecret.CrowdOf(TokenType.BlindRsa, keyId, []);

    /// <summary>The truth about one: the element that its secrets make, and where it was shown, if it was.</summary>
    private void Join(FleetWallet wallet, PseudonymRow row, Token token, byte[] secrets, byte[] publicKey)
    {
        byte[] seed = secrets[..TokenSecrets.BlindingSeedSizeInBytes];
        Assert.True(TokenPublicKey.TryImport(TokenType.BlindRsa, publicKey, [], out TokenPublicKey? key));
        using (key)
        using (TokenSecrets own = TokenSecrets.Import(seed, token.Nonce))
        using (TokenIssuance issuance = TokenIssuance.Begin(key, token.ChallengeDigest, own))
        {
            Issuance signed = _issuances[Convert.ToHexString(issuance.Request.BlindedMessage.Span)];
            if (_redemptions.TryGetValue(Convert.ToHexString(token.Nonce), out Redemption? shown))
            {
                _transcript.Pairs.Add(new TruePair(signed, shown, wallet.Name, seed));
            }
            else
            {
                Assert.Equal(PseudonymKind.TransientRotated, row.Kind);
            }
        }

        if (row.Kind == PseudonymKind.Transient)
        {
            byte[] opening = secrets[TokenSecrets.BlindingSeedSizeInBytes..];
            _secrets.AddOpening(opening, isShown: Rotations().Any(rotation => rotation.Opening.AsSpan().SequenceEqual(opening)));
        }
    }

    private void ReadIssuances()
    {
        Passing[] wire = [.. _fleet.Issuer.Seen];
        IReadOnlyList<StoredRow> stored = _fleet.IssuerSnapshots[^1].Rows;
        Dictionary<string, StoredRow> rows = TranscriptReader.BlobIndex(stored.Where(row => row.Table == "pseudonym"));
        Dictionary<string, int> firstSeen = TranscriptReader.FirstSeen(_fleet.IssuerSnapshots, "pseudonym");
        ILookup<long, StoredRow> postings = stored.Where(row => row.Table == "ledger_posting").ToLookup(row => (long)row.Columns["account"]!);
        Dictionary<long, StoredRow> accounts = stored.Where(row => row.Table == "account").ToDictionary(row => (long)row.Columns["id"]!);
        for (int order = 0; order < wire.Length; order++)
        {
            Passing passing = wire[order];
            if (passing.Path != Routes.PseudonymRequest || passing.Answer is not { Status: 200 } answer)
            {
                continue;
            }

            Assert.True(TokenRequest.TryParse(passing.Body, out TokenRequest? request));
            Assert.True(TokenResponse.TryParse(answer.Body, out byte[]? signature));
            byte[] keyId = _keys[request.TruncatedKeyId];
            string element = Convert.ToHexString(TranscriptReader.ElementHash(TokenType.BlindRsa, keyId, [], request));
            long account = (long)rows[element].Columns["account"]!;
            Dictionary<string, Feature> seen = TranscriptReader.Wire(order, 0, 1, passing, request, signature);
            seen["first in snapshot"] = firstSeen[element];
            seen["postings of its account"] = postings[account].Count();
            foreach ((string name, Feature value) in rows[element].Features().Concat(accounts[account].Features()))
            {
                seen[name] = value;
            }

            _issuances.Add(Convert.ToHexString(request.BlindedMessage.Span), new Issuance
            {
                Crowd = CrowdOf(keyId), Blinded = request.BlindedMessage.ToArray(), BlindSignature = signature, Seen = seen,
                Account = passing.Headers["Authorization"],
            });
        }
    }

    private void ReadRedemptions()
    {
        Passing[] wire = [.. _fleet.Gateway.Seen];
        List<(Token Token, int Order)> showings = [];
        for (int order = 0; order < wire.Length; order++)
        {
            showings.AddRange(Shown(wire[order]).Select(token => (token, order)));
        }

        Dictionary<string, int> shown = showings.CountBy(showing => Convert.ToHexString(showing.Token.Nonce)).ToDictionary();
        foreach ((Token token, int order) in showings)
        {
            string nonce = Convert.ToHexString(token.Nonce);
            if (_redemptions.ContainsKey(nonce))
            {
                continue;
            }

            byte[] spendId = new byte[Token.SpendIdSizeInBytes];
            token.SpendId([], spendId);
            Dictionary<string, Feature> seen = new()
            {
                ["order"] = order,
                ["request size"] = wire[order].Body.Length,
                ["reply size"] = wire[order].Answer?.Body.Length ?? 0,
                ["path"] = wire[order].Path.Length,
                ["connection"] = Feature.OfTail(Encoding.ASCII.GetBytes(wire[order].Connection)),
                ["shown"] = shown[nonce],
                ["nonce, head"] = Feature.Of(token.Nonce),
                ["nonce, tail"] = Feature.OfTail(token.Nonce),
                ["authenticator, head"] = Feature.Of(token.Authenticator),
                ["authenticator, tail"] = Feature.OfTail(token.Authenticator),
            };
            foreach ((string name, Feature value) in Kept(token))
            {
                seen[name] = value;
            }

            _redemptions.Add(nonce, new Redemption { Crowd = CrowdOf(token.TokenKeyId), Token = token, SpendId = spendId, Seen = seen });
        }
    }

    /// <summary>What the gateway's rows say of it, under the name that whoever has the disk can compute.</summary>
    private IEnumerable<(string Name, Feature Value)> Kept(Token token)
    {
        byte[] key = (byte[])_fleet.GatewaySnapshots[^1].Rows.Single(row => row.Table == "pseudonym_state").Columns["hash_key"]!;
        string name = Convert.ToHexStringLower(HMACSHA256.HashData(key, token.TokenInput).AsSpan(0, 16));
        for (int i = 0; i < _fleet.GatewaySnapshots.Count; i++)
        {
            foreach (StoredRow row in _fleet.GatewaySnapshots[i].Rows.Where(row => row.Columns.Values.Contains(name)))
            {
                yield return ($"{row.Table} in snapshot", i);
                foreach ((string column, Feature value) in row.Features())
                {
                    yield return (column, value);
                }
            }
        }
    }

    private static IEnumerable<Token> Shown(Passing passing)
    {
        if (passing.Path == Routes.PseudonymRotate)
        {
            (byte[] old, byte[] rotated, _) = Rotation(passing);
            return [Parse(old), Parse(rotated)];
        }

        if (passing.Headers.FirstOrDefault(header => header.Key.Equals(Routes.PseudonymHeader, StringComparison.OrdinalIgnoreCase)).Value is not { } header)
        {
            return [];
        }

        Assert.True(PseudonymHeader.TryParse([header], out IReadOnlyList<byte[]>? tokens));
        return tokens.Select(Parse);
    }

    private IEnumerable<(byte[] Old, byte[] New, byte[] Opening)> Rotations() => _fleet.Gateway.SeenAt(Routes.PseudonymRotate).Select(Rotation);

    private static (byte[] Old, byte[] New, byte[] Opening) Rotation(Passing passing)
    {
        Assert.True(JsonSerializer.Deserialize(passing.Body, GatewayJson.Default.PseudonymRotation)!.TryDecode(out byte[]? old, out byte[]? rotated, out byte[]? opening));
        return (old, rotated, opening);
    }

    private static Token Parse(byte[] encoded)
    {
        Assert.True(Token.TryParse(encoded, out Token? token));
        return token;
    }
}
