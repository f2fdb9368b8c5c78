using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Client.Tests.Support;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>Puts together what issuer and gateway hold after a run, as somebody would who owns both, and beside it the truth from the wallets.</summary>
internal sealed class TranscriptReader
{
    private readonly Fleet _fleet;
    private readonly Dictionary<string, (TokenType Type, byte[] KeyId, byte[] Extensions)> _crowds = [];
    private readonly Dictionary<string, Issuance> _issuances = [];
    private readonly Dictionary<string, Redemption> _redemptions = [];
    private readonly Transcript _transcript;

    private TranscriptReader(Fleet fleet, Transcript transcript)
    {
        _fleet = fleet;
        _transcript = transcript;
    }

    public static Transcript Read(Fleet fleet)
    {
        var transcript = new Transcript();
        var reader = new TranscriptReader(fleet, transcript);
        reader.ReadKeys();
        reader.ReadIssuances();
        reader.ReadExchanges();
        reader.ReadRedemptions();
        reader.Join();
        return transcript;
    }

    /// <summary>
    /// The truth: which blinded element and which nonce come from the same secrets. Everything that was bought was spent; what was asked for in exchange for a
    /// spent token was refused.
    /// </summary>
    private void Join()
    {
        var pairs = new ConcurrentBag<(TokenSecret Secret, string Blinded)>();
        Parallel.ForEach(
            _fleet.Wallets.SelectMany(wallet => wallet.Secrets),
            secret =>
            {
                Assert.True(TokenPublicKey.TryImport(secret.Series.Type, secret.Series.PublicKey, secret.Series.Extensions, out TokenPublicKey? key));
                using (key)
                using (TokenSecrets secrets = TokenSecrets.Import(secret.BlindingSeed, secret.Nonce))
                using (TokenIssuance issuance = TokenIssuance.Begin(key, secret.Series.ChallengeDigest, secrets))
                {
                    pairs.Add((secret, Convert.ToHexString(issuance.Request.BlindedMessage.Span)));
                }
            });
        Dictionary<string, FleetWallet> wallets = _fleet.Wallets.ToDictionary(wallet => wallet.Name);
        foreach ((TokenSecret secret, string blinded) in pairs)
        {
            if (_issuances.TryGetValue(blinded, out Issuance? issuance))
            {
                _transcript.Pairs.Add(new TruePair(
                    issuance, _redemptions[Convert.ToHexString(secret.Nonce)], secret.Wallet, secret.BlindingSeed, wallets[secret.Wallet].IsOrdinary));
            }
        }

        _transcript.Pairs.Sort((a, b) => a.Issuance.Seen["order"].Value.CompareTo(b.Issuance.Seen["order"].Value));
        Assert.Equal(_issuances.Count, _transcript.Pairs.Count);
        Assert.Equal(_redemptions.Count, _transcript.Pairs.Count);
    }

    private void ReadKeys()
    {
        foreach (TokenSecret secret in _fleet.Wallets.SelectMany(wallet => wallet.Secrets).DistinctBy(secret => secret.Crowd))
        {
            BlindRsaPublicKey key;
            if (secret.Series.Type == TokenType.BlindRsa)
            {
                key = BlindRsaPublicKey.ImportSubjectPublicKeyInfo(secret.Series.PublicKey);
            }
            else
            {
                using PartiallyBlindRsaPublicKey family = PartiallyBlindRsaPublicKey.ImportSubjectPublicKeyInfo(secret.Series.PublicKey);
                key = family.DeriveKey(secret.Series.Extensions);
            }

            _transcript.Keys.Add(secret.Crowd, new KeyArithmetic(key));
            _crowds.Add(secret.Crowd, (secret.Series.Type, secret.Series.KeyId, secret.Series.Extensions));
        }
    }

    private void ReadIssuances()
    {
        Passing[] wire = [.. _fleet.Issuer.Seen];
        Dictionary<string, int> asked = [];
        foreach (TokenRequest request in wire.Where(IsIssuance).SelectMany(passing => Requests(passing)))
        {
            string blinded = Convert.ToHexString(request.BlindedMessage.Span);
            asked[blinded] = asked.GetValueOrDefault(blinded) + 1;
        }

        Dictionary<string, StoredRow> rows = BlobIndex(_fleet.IssuerSnapshots[^1].Rows.Where(row => row.Table == "issued"));
        Dictionary<string, int> firstSeen = FirstSeen(_fleet.IssuerSnapshots, "issued");
        ILookup<long, StoredRow> postings = _fleet.IssuerSnapshots[^1].Rows.Where(row => row.Table == "ledger_posting").ToLookup(row => (long)row.Columns["account"]!);
        Dictionary<long, StoredRow> accounts = _fleet.IssuerSnapshots[^1].Rows.Where(row => row.Table == "account").ToDictionary(row => (long)row.Columns["id"]!);
        for (int order = 0; order < wire.Length; order++)
        {
            Passing passing = wire[order];
            if (!IsIssuance(passing) || passing.Answer is not { Status: 200 } answer)
            {
                continue;
            }

            IReadOnlyList<TokenRequest> requests = Requests(passing);
            Assert.True(GenericBatchResponse.TryParse(answer.Body, out GenericBatchResponse? response));
            for (int place = 0; place < requests.Count; place++)
            {
                TokenRequest request = requests[place];
                string blinded = Convert.ToHexString(request.BlindedMessage.Span);
                if (response.Responses[place] is not { } signed || _issuances.ContainsKey(blinded))
                {
                    continue;
                }

                string crowd = CrowdOf(request);
                (TokenType type, byte[] keyId, byte[] extensions) = _crowds[crowd];
                byte[] element = ElementHash(type, keyId, extensions, request);
                StoredRow row = rows[Convert.ToHexString(element)];
                long account = (long)row.Columns["account"]!;
                Dictionary<string, Feature> seen = Wire(order, place, requests.Count, passing, request, signed.BlindSignature.Span);
                seen["asked for"] = asked[blinded];
                seen["first in snapshot"] = firstSeen[Convert.ToHexString(element)];
                seen["postings of its account"] = postings[account].Count();
                foreach ((string name, Feature value) in row.Features().Concat(accounts[account].Features()))
                {
                    seen[name] = value;
                }

                _issuances.Add(blinded, new Issuance
                {
                    Crowd = crowd, Blinded = request.BlindedMessage.ToArray(), BlindSignature = signed.BlindSignature.ToArray(), Seen = seen,
                    Account = passing.Headers["Authorization"],
                });
            }
        }
    }

    /// <summary>A successor is issued by way of the gateway.</summary>
    private void ReadExchanges()
    {
        Passing[] wire = [.. _fleet.Gateway.Seen];
        for (int order = 0; order < wire.Length; order++)
        {
            if (wire[order].Path != Routes.Exchange || wire[order].Answer is not { Status: 200 } answer)
            {
                continue;
            }

            ExchangeRequest exchange = JsonSerializer.Deserialize(wire[order].Body, GatewayJson.Default.ExchangeRequest)!;
            ExchangeResponse signed = JsonSerializer.Deserialize(answer.Body, GatewayJson.Default.ExchangeResponse)!;
            Assert.True(exchange.TryDecode(out _, out _, out byte[]? successor));
            Assert.True(TokenRequest.TryParse(successor, out TokenRequest? request));
            Assert.True(signed.TryDecode(out byte[]? signature));
            _issuances.TryAdd(Convert.ToHexString(request.BlindedMessage.Span), new Issuance
            {
                // After everything that was bought with credits: an order of its own.
                Crowd = CrowdOf(request), Blinded = request.BlindedMessage.ToArray(), BlindSignature = signature,
                Seen = Wire(1_000_000 + order, 0, 1, wire[order], request, signature),
            });
        }
    }

    private void ReadRedemptions()
    {
        Passing[] wire = [.. _fleet.Gateway.Seen];
        Dictionary<string, int> shown = [];
        Dictionary<string, StoredRow> rows = BlobIndex(_fleet.GatewaySnapshots[^1].Rows.Where(row => row.Table.StartsWith("spends_", StringComparison.Ordinal)));
        Dictionary<string, int> firstSeen = FirstSeen(_fleet.GatewaySnapshots, "spends_");
        List<(Token Token, byte[] Extensions, int Order)> showings = [];
        for (int order = 0; order < wire.Length; order++)
        {
            if (TokenIn(wire[order]) is { } found)
            {
                showings.Add((found.Token, found.Extensions, order));
                string nonce = Convert.ToHexString(found.Token.Nonce);
                shown[nonce] = shown.GetValueOrDefault(nonce) + 1;
            }
        }

        foreach ((Token token, byte[] extensions, int order) in showings)
        {
            string nonce = Convert.ToHexString(token.Nonce);
            if (_redemptions.ContainsKey(nonce))
            {
                continue;
            }

            Passing passing = wire[order];
            byte[] spendId = new byte[Token.SpendIdSizeInBytes];
            token.SpendId(extensions, spendId);
            Dictionary<string, Feature> seen = new()
            {
                ["order"] = order,
                ["request size"] = passing.Body.Length,
                ["reply size"] = passing.Answer?.Body.Length ?? 0,
                ["path"] = passing.Path.Length,
                ["connection"] = Feature.OfTail(Encoding.ASCII.GetBytes(passing.Connection)),
                ["shown"] = shown[nonce],
                ["first in snapshot"] = firstSeen[Convert.ToHexString(spendId)],
                ["nonce, head"] = Feature.Of(token.Nonce),
                ["nonce, tail"] = Feature.OfTail(token.Nonce),
                ["authenticator, head"] = Feature.Of(token.Authenticator),
                ["authenticator, tail"] = Feature.OfTail(token.Authenticator),
            };
            foreach ((string name, Feature value) in rows[Convert.ToHexString(spendId)].Features())
            {
                seen[name] = value;
            }

            _redemptions.Add(nonce, new Redemption { Crowd = TokenSecret.CrowdOf(token.Type, token.TokenKeyId, extensions), Token = token, SpendId = spendId, Seen = seen });
        }
    }

    private static (Token Token, byte[] Extensions)? TokenIn(Passing passing)
    {
        byte[] encoded;
        byte[] extensions;
        if (passing.Path == Routes.Exchange)
        {
            ExchangeRequest exchange = JsonSerializer.Deserialize(passing.Body, GatewayJson.Default.ExchangeRequest)!;
            Assert.True(exchange.TryDecode(out byte[]? token, out extensions, out _));
            encoded = token;
        }
        else if (passing.Headers.TryGetValue("Authorization", out string? header))
        {
            Assert.True(PrivateTokenHeader.TryParseAuthorization(header, out PrivateTokenCredentials? credentials));
            (encoded, extensions) = (credentials.Token, credentials.Extensions ?? []);
        }
        else
        {
            return null;
        }

        Assert.True(Token.TryParse(encoded, out Token? parsed));
        return (parsed, extensions);
    }

    private static bool IsIssuance(Passing passing) => passing.Path is Routes.TokenRequest or Routes.TokenRestore;

    private static IReadOnlyList<TokenRequest> Requests(Passing passing)
    {
        Assert.True(GenericBatchRequest.TryParse(passing.Body, out GenericBatchRequest? batch));
        return batch.Requests;
    }

    private string CrowdOf(TokenRequest request) => _crowds.Single(crowd =>
        crowd.Value.Type == request.Type && crowd.Value.KeyId[^1] == request.TruncatedKeyId && crowd.Value.Extensions.AsSpan().SequenceEqual(request.Extensions.Span)).Key;

    internal static Dictionary<string, Feature> Wire(int order, int place, int size, Passing passing, TokenRequest request, ReadOnlySpan<byte> signature) => new()
    {
        // Finer than the batch: the place in it.
        ["order"] = (order * 1000.0) + place,
        ["batch"] = order,
        ["place in batch"] = place,
        ["place from the end"] = size - place,
        ["batch size"] = size,
        ["request size"] = passing.Body.Length,
        ["reply size"] = passing.Answer!.Body.Length,
        ["connection"] = Feature.OfTail(Encoding.ASCII.GetBytes(passing.Connection)),
        ["blinded, head"] = Feature.Of(request.BlindedMessage.Span),
        ["blinded, tail"] = Feature.OfTail(request.BlindedMessage.Span),
        ["signature, head"] = Feature.Of(signature),
        ["signature, tail"] = Feature.OfTail(signature),
    };

    /// <summary>What the issuer keeps of an element: SHA-256 over type, key id, extensions and blinded message (docs/protocol.md).</summary>
    internal static byte[] ElementHash(TokenType type, byte[] keyId, byte[] extensions, TokenRequest request)
    {
        byte[] lengths = new byte[4];
        BinaryPrimitives.WriteUInt16BigEndian(lengths, (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(lengths.AsSpan(2), (ushort)extensions.Length);
        return SHA256.HashData((byte[])[.. lengths[..2], .. keyId, .. lengths[2..], .. extensions, .. request.BlindedMessage.Span]);
    }

    /// <summary>Rows by each of their blobs that only one row has.</summary>
    internal static Dictionary<string, StoredRow> BlobIndex(IEnumerable<StoredRow> rows) =>
        rows.SelectMany(row => row.Columns.Values.OfType<byte[]>().Select(blob => (Key: Convert.ToHexString(blob), Row: row)))
            .GroupBy(entry => entry.Key).Where(group => group.Count() == 1).ToDictionary(group => group.Key, group => group.Single().Row);

    internal static Dictionary<string, int> FirstSeen(List<Snapshot> snapshots, string table)
    {
        Dictionary<string, int> first = [];
        for (int i = 0; i < snapshots.Count; i++)
        {
            foreach (byte[] blob in snapshots[i].Rows.Where(row => row.Table.StartsWith(table, StringComparison.Ordinal)).SelectMany(row => row.Columns.Values.OfType<byte[]>()))
            {
                first.TryAdd(Convert.ToHexString(blob), i);
            }
        }

        return first;
    }
}
