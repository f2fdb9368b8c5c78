using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>Indexes that are reserved and requested together, so that a repetition sends the same batch.</summary>
internal sealed record TokenBatch(long Id, TokenSeries Series, IReadOnlyList<ReservedToken> Tokens);

/// <param name="Index">Within the series.</param>
/// <param name="RequestHash">SHA-256 of the blinded message once it was requested: the same index must give the same message again.</param>
/// <param name="Randomness">Fresh randomness of a wallet that cannot be restored; null where it is derived from the seed.</param>
internal sealed record ReservedToken(long Index, byte[]? RequestHash, byte[]? Randomness);

internal sealed partial class WalletJournal
{
    /// <summary>In place of a batch: tokens that came back by a restore, and what they were exchanged for.</summary>
    private const long RestoredBatch = 0;

    /// <summary>
    /// Takes <paramref name="count"/> indexes of a series: first those that were reserved and refused before (their requests are unchanged), then new ones.
    /// </summary>
    /// <param name="freshRandomness">Makes the randomness of one token for a wallet that cannot be restored; null derives it from the seed.</param>
    public async Task<TokenBatch> ReserveAsync(TokenSeries series, int count, Func<byte[]>? freshRandomness, CancellationToken cancellationToken)
    {
        TokenBatch reserved = await _database.WriteAsync(
            session =>
            {
                TokenSeries stored = Ensure(session, series);
                long batch = NewBatchId();
                List<ReservedToken> tokens =
                [
                    .. session.Query(
                        """
                        SELECT idx, request_hash, sealed_randomness FROM token
                        WHERE series = $1 AND state = 1 AND predecessor_series IS NULL ORDER BY idx LIMIT $2
                        """,
                        row => ReadReserved(row, stored.Id), stored.Id, count),
                ];
                foreach (ReservedToken token in tokens)
                {
                    session.Execute("UPDATE token SET batch = $3 WHERE series = $1 AND idx = $2", stored.Id, token.Index, batch);
                }
                while (tokens.Count < count)
                {
                    tokens.Add(Insert(session, stored, batch, freshRandomness));
                }
                return new TokenBatch(batch, stored, tokens);
            },
            cancellationToken);
        Taken(ChainStep.HeadReserved, series.Namespace == TokenNamespace.Chain);
        return reserved;
    }

    /// <summary>reserved → requested, with the hash of each blinded message. Before the first byte leaves.</summary>
    public async Task RequestAsync(TokenBatch batch, IReadOnlyList<byte[]> hashes, CancellationToken cancellationToken)
    {
        await _database.WriteAsync(
            session =>
            {
                for (int i = 0; i < batch.Tokens.Count; i++)
                {
                    // The index's request never changes: a second hash for it would be a second message under the same nonce.
                    Expect(
                        session.Execute(
                            """
                            UPDATE token SET state = 2, request_hash = $3
                            WHERE series = $1 AND idx = $2 AND state IN (1, 2) AND (request_hash IS NULL OR request_hash = $3)
                            """,
                            batch.Series.Id, batch.Tokens[i].Index, hashes[i]),
                        "reserved → requested");
                }
            },
            cancellationToken);
        Taken(ChainStep.HeadRequested, batch.Series.Namespace == TokenNamespace.Chain);
    }

    /// <summary>requested → held, for those that were signed.</summary>
    /// <param name="tokens">Encoded tokens by index; sealed here.</param>
    public async Task HoldAsync(TokenSeries series, IReadOnlyList<(long Index, byte[] Token)> tokens, CancellationToken cancellationToken)
    {
        List<(long Index, byte[] Sealed)> sealedTokens = SealAll(series, tokens);
        await _database.WriteAsync(
            session =>
            {
                foreach ((long index, byte[] value) in sealedTokens)
                {
                    Expect(
                        session.Execute(
                            "UPDATE token SET state = 3, sealed_token = $3, sealed_randomness = NULL WHERE series = $1 AND idx = $2 AND state = 2",
                            series.Id, index, value),
                        "requested → held");
                }
                Note(session, HistoryKind.Bought, series.Plan, sealedTokens.Count);
            },
            cancellationToken);
        Taken(ChainStep.HeadHeld, series.Namespace == TokenNamespace.Chain);
    }

    /// <summary>requested → reserved: the issuer said that it signed none of these and debited nothing. Their indexes wait for the next fill.</summary>
    public Task RefuseAsync(TokenBatch batch, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                foreach (ReservedToken token in batch.Tokens)
                {
                    session.Execute("UPDATE token SET state = 1 WHERE series = $1 AND idx = $2 AND state = 2", batch.Series.Id, token.Index);
                }
            },
            cancellationToken);

    /// <summary>Batches that were requested and not answered, to be sent again as they were.</summary>
    public Task<IReadOnlyList<TokenBatch>> RequestedBatchesAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync<IReadOnlyList<TokenBatch>>(
            session =>
            {
                IReadOnlyList<(TokenSeries Series, long Batch, ReservedToken Token)> rows = session.Query(
                    $"""
                    SELECT {TokenSeries.Columns}, t.batch, t.idx, t.request_hash, t.sealed_randomness
                    FROM token t JOIN series s ON s.id = t.series
                    WHERE t.state = 2 AND t.predecessor_series IS NULL AND s.exchange_until > $1 ORDER BY t.series, t.batch, t.idx
                    """,
                    row => (TokenSeries.Read(row), row.Int64(12), ReadReserved(row, row.Int64(0), 13)), Now);
                return
                [
                    .. rows.GroupBy(row => (row.Series.Id, row.Batch))
                        .Select(group => new TokenBatch(group.Key.Batch, group.First().Series, [.. group.Select(row => row.Token)])),
                ];
            },
            cancellationToken);

    /// <summary>Adds tokens that the issuer signed again from the seed: unknown, since they may have been spent. Those on record are left as they are.</summary>
    /// <returns>How many were new.</returns>
    public async Task<int> RestoreAsync(TokenSeries series, IReadOnlyList<(long Index, byte[] Token)> tokens, CancellationToken cancellationToken)
    {
        TokenSeries stored = await _database.WriteAsync(session => Ensure(session, series), cancellationToken);
        List<(long Index, byte[] Sealed)> sealedTokens = SealAll(stored, tokens);
        return await _database.WriteAsync(
            session =>
            {
                int added = 0;
                foreach ((long index, byte[] value) in sealedTokens)
                {
                    added += session.Execute(
                        $"""
                        INSERT INTO token (series, idx, state, batch, sealed_token) VALUES ($1, $2, 7, {RestoredBatch}, $3)
                        ON CONFLICT (series, idx) DO NOTHING
                        """,
                        stored.Id, index, value);
                    // A token that was given up before it was signed, or whose answer was lost, is found again here.
                    added += session.Execute(
                        "UPDATE token SET state = 7, sealed_token = $3, sealed_randomness = NULL WHERE series = $1 AND idx = $2 AND state IN (1, 2, 8) AND sealed_token IS NULL",
                        stored.Id, index, value);
                    session.Execute("UPDATE series SET next_index = $2 WHERE id = $1 AND next_index < $2", stored.Id, index + 1);
                }
                if (added > 0)
                {
                    Note(session, HistoryKind.Restored, stored.Plan, added);
                }
                return added;
            },
            cancellationToken);
    }

    private static TokenSeries Ensure(Session session, TokenSeries series)
    {
        session.Execute(
            """
            INSERT INTO series (issuer, token_type, key_id, extensions, challenge_digest, namespace, plan, gateway, public_key, deadline, exchange_until)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            ON CONFLICT (issuer, token_type, key_id, extensions, challenge_digest, namespace) DO NOTHING
            """,
            series.Issuer, (int)series.Type, series.KeyId, series.Extensions, series.ChallengeDigest, (int)series.Namespace, series.Plan, series.Gateway,
            series.PublicKey, series.Deadline.ToUnixTimeSeconds(), series.ExchangeUntil.ToUnixTimeSeconds());
        TokenSeries stored = session.QuerySingle(
            $"""
            SELECT {TokenSeries.Columns} FROM series s
            WHERE s.issuer = $1 AND s.token_type = $2 AND s.key_id = $3 AND s.extensions = $4 AND s.challenge_digest = $5 AND s.namespace = $6
            """,
            row => TokenSeries.Read(row), series.Issuer, (int)series.Type, series.KeyId, series.Extensions, series.ChallengeDigest, (int)series.Namespace)!;
        return stored.Plan == series.Plan && stored.Deadline.ToUnixTimeSeconds() == series.Deadline.ToUnixTimeSeconds()
            ? stored
            : throw new ClientException(
                ClientError.DirectoryRefused, $"The issuer's directory gives plan {series.Plan} a key that stood for another plan or period before. Nothing is bought under it.");
    }

    private ReservedToken Insert(Session session, TokenSeries series, long batch, Func<byte[]>? freshRandomness)
    {
        long index = NextIndex(session, series);
        byte[]? randomness = freshRandomness?.Invoke();
        byte[]? sealedRandomness = randomness is null ? null : _keys.Seal(randomness, PlaceOf("randomness"u8, new TokenPlace(series.Id, index)));
        session.Execute(
            "INSERT INTO token (series, idx, state, batch, sealed_randomness) VALUES ($1, $2, 1, $3, $4)", series.Id, index, batch, sealedRandomness);
        return new ReservedToken(index, null, randomness);
    }

    /// <summary>False: the index is taken. One that was given up before it was signed may be reserved again, for the same predecessor and so the same request.</summary>
    private bool TryReserveAt(Session session, TokenSeries series, long index, long batch, Func<byte[]>? freshRandomness, TokenPlace predecessor)
    {
        byte[]? randomness = freshRandomness?.Invoke();
        byte[]? sealedRandomness = randomness is null ? null : _keys.Seal(randomness, PlaceOf("randomness"u8, new TokenPlace(series.Id, index)));
        return session.Execute(
            """
            INSERT INTO token (series, idx, state, batch, sealed_randomness, predecessor_series, predecessor_idx) VALUES ($1, $2, 1, $3, $4, $5, $6)
            ON CONFLICT (series, idx) DO UPDATE SET state = 1, batch = excluded.batch
            WHERE token.state = 8 AND token.sealed_token IS NULL AND token.predecessor_series = $5 AND token.predecessor_idx = $6 AND excluded.sealed_randomness IS NULL
            """,
            series.Id, index, batch, sealedRandomness, predecessor.Series, predecessor.Index) == 1;
    }

    private static long NextIndex(Session session, TokenSeries series) =>
        session.QueryInt64("UPDATE series SET next_index = next_index + 1 WHERE id = $1 RETURNING next_index - 1", series.Id)
        ?? throw new ClientException(ClientError.JournalCorrupt, "The wallet's journal has lost a series.");

    private ReservedToken ReadReserved(Row row, long series, int first = 0)
    {
        long index = row.Int64(first);
        byte[]? box = row.NullableBlob(first + 2);
        return new ReservedToken(
            index,
            row.NullableBlob(first + 1),
            box is null ? null : _keys.Open(box, PlaceOf("randomness"u8, new TokenPlace(series, index))));
    }

    private HeldToken OpenToken(ReadOnlySpan<byte> box, TokenPlace place) => HeldToken.Split(_keys.Open(box, PlaceOf("token"u8, place)));

    private List<(long Index, byte[] Sealed)> SealAll(TokenSeries series, IReadOnlyList<(long Index, byte[] Token)> tokens) =>
        [.. tokens.Select(token => (token.Index, _keys.Seal(token.Token, PlaceOf("token"u8, new TokenPlace(series.Id, token.Index)))))];

    private static long NewBatchId() =>
        System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8)) & long.MaxValue;
}
