using System.Security.Cryptography;
using Tacit.Client.Conversations;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>A token on its way to be replaced by a fresh one.</summary>
/// <param name="Successor">What asks for the fresh one.</param>
/// <param name="SuccessorSeries">Its series.</param>
internal sealed record TokenExchange(TokenSeries Series, long Index, byte[] Token, TokenSeries SuccessorSeries, ReservedToken Successor);

internal sealed partial class WalletJournal
{
    /// <summary>
    /// Tokens that could be exchanged, and the conversation that each was shown in, if any: within the grace, and none that a successor was reserved for.
    /// </summary>
    public Task<IReadOnlyList<(TokenSeries Series, long Index, byte[]? ShownIn)>> ExchangeableAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                $"""
                SELECT {TokenSeries.Columns}, t.idx, t.conversation FROM token t JOIN series s ON s.id = t.series
                WHERE t.state IN (3, 6, 7) AND s.exchange_until > $1 AND s.namespace <> {ChainNamespace}
                AND NOT EXISTS (SELECT 1 FROM token n WHERE n.predecessor_series = t.series AND n.predecessor_idx = t.idx AND n.state <> 8)
                """,
                row => (TokenSeries.Read(row), row.Int64(12), row.NullableBlob(13)), Now),
            cancellationToken);

    /// <summary>Reserves the index of a successor. Nothing else changes: the token may still be shown in its conversation until the exchange is sent.</summary>
    public Task<TokenExchange?> ReserveSuccessorAsync(
        TokenSeries series, long index, TokenSeries successor, Func<byte[]>? freshRandomness, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                var place = new TokenPlace(series.Id, index);
                if (session.QueryInt64("SELECT 1 FROM token WHERE predecessor_series = $1 AND predecessor_idx = $2 AND state <> 8", series.Id, index) is not null
                    || !session.TryQuerySingle(
                        "SELECT batch, sealed_token FROM token WHERE series = $1 AND idx = $2 AND state IN (3, 6, 7)",
                        row => (Batch: row.Int64(0), OpenToken(row.BlobSpan(1), place).Token), out (long Batch, byte[] Token) predecessor,
                        series.Id, index))
                {
                    return null;
                }
                TokenSeries stored = Ensure(session, successor);

                // Not the next index that is free: a wallet restored from its seed would begin anew at 0, and one successor asked for with two tokens ties the
                // two together and is worth one. Bound to its predecessor it is asked for with no other, and a restored wallet gets what it exchanged for again.
                long at = freshRandomness is null ? SuccessorIndex(series, predecessor.Token) : NextIndex(session, stored);
                long batch = predecessor.Batch == RestoredBatch ? RestoredBatch : NewBatchId();
                return TryReserveAt(session, stored, at, batch, freshRandomness, place) ? FindExchange(session, stored.Id, at) : null;
            },
            cancellationToken);

    private static long SuccessorIndex(TokenSeries series, byte[] predecessor)
    {
        if (!Token.TryParse(predecessor, out Token? token))
        {
            throw new ClientException(ClientError.JournalCorrupt, "A stored token cannot be read.");
        }
        using (token)
        {
            return WalletDerivation.SuccessorIndex(token, series.Extensions);
        }
    }

    /// <summary>
    /// The successor reserved → requested, and its predecessor → presented. False if the predecessor was taken for a request meanwhile, or if the exchange
    /// has ended.
    /// </summary>
    public Task<bool> RequestExchangeAsync(TokenExchange exchange, byte[] hash, CancellationToken cancellationToken)
    {
        // A token that is shown in an exchange belongs to that exchange: from here on no prompt may use it (law 9).
        byte[] shownIn = RandomNumberGenerator.GetBytes(ConversationId.SizeInBytes);
        return _database.WriteAsync(
            session =>
            {
                if (session.QueryInt64("SELECT state FROM token WHERE series = $1 AND idx = $2", exchange.SuccessorSeries.Id, exchange.Successor.Index) is not (1 or 2))
                {
                    return false;
                }
                bool free = session.Execute(
                    """
                    UPDATE token SET state = 4, conversation = COALESCE(conversation, $3) WHERE series = $1 AND idx = $2 AND (state IN (3, 6, 7)
                        OR (state = 4 AND NOT EXISTS (SELECT 1 FROM request r WHERE r.series = token.series AND r.idx = token.idx)))
                    """,
                    exchange.Series.Id, exchange.Index, shownIn) == 1;
                if (free)
                {
                    Expect(
                        session.Execute(
                            """
                            UPDATE token SET state = 2, request_hash = $3
                            WHERE series = $1 AND idx = $2 AND state IN (1, 2) AND (request_hash IS NULL OR request_hash = $3)
                            """,
                            exchange.SuccessorSeries.Id, exchange.Successor.Index, hash),
                        "reserved → requested");
                }
                return free;
            },
            cancellationToken);
    }

    /// <summary>Exchanges that began and have not ended, their token not spent meanwhile; repeating them as they were is safe.</summary>
    public Task<IReadOnlyList<TokenExchange>> OpenExchangesAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                $"""
                {SelectExchange} WHERE t.state IN (1, 2) AND p.state IN (3, 4, 6, 7) AND s.exchange_until > $1 AND ps.namespace <> {ChainNamespace}
                AND NOT EXISTS (SELECT 1 FROM request r WHERE r.series = p.series AND r.idx = p.idx)
                """,
                ReadExchange, Now),
            cancellationToken);

    /// <summary>
    /// The successor requested → held, its predecessor presented → spent. That of a restored token is unknown like it: the exchange may be the repetition of one
    /// from before, and its successor spent since.
    /// </summary>
    public Task CompleteExchangeAsync(TokenExchange exchange, byte[] token, CancellationToken cancellationToken)
    {
        byte[] box = _keys.Seal(token, PlaceOf("token"u8, new TokenPlace(exchange.SuccessorSeries.Id, exchange.Successor.Index)));
        return _database.WriteAsync(
            session =>
            {
                Expect(
                    session.Execute(
                        $"""
                        UPDATE token SET state = CASE WHEN batch = {RestoredBatch} THEN 7 ELSE 3 END, sealed_token = $3, sealed_randomness = NULL
                        WHERE series = $1 AND idx = $2 AND state = 2
                        """,
                        exchange.SuccessorSeries.Id, exchange.Successor.Index, box),
                    "requested → held");
                Expect(
                    session.Execute(
                        "UPDATE token SET state = 5, sealed_token = NULL WHERE series = $1 AND idx = $2 AND state = 4", exchange.Series.Id, exchange.Index),
                    "presented → spent");
                Note(session, HistoryKind.Exchanged, exchange.SuccessorSeries.Plan, 1);
            },
            cancellationToken);
    }

    /// <summary>The exchange will never be answered: the predecessor ends as <paramref name="state"/>, the successor's index is void.</summary>
    public Task AbandonExchangeAsync(TokenExchange exchange, TokenState state, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                session.Execute(
                    "UPDATE token SET state = 8, sealed_randomness = NULL WHERE series = $1 AND idx = $2 AND state IN (1, 2)",
                    exchange.SuccessorSeries.Id, exchange.Successor.Index);
                int ended = session.Execute(
                    """
                    UPDATE token SET state = $3, sealed_token = CASE WHEN $3 IN (5, 8) THEN NULL ELSE sealed_token END
                    WHERE series = $1 AND idx = $2 AND state IN (3, 4, 6, 7)
                    AND NOT EXISTS (SELECT 1 FROM request r WHERE r.series = token.series AND r.idx = token.idx)
                    """,
                    exchange.Series.Id, exchange.Index, (int)state);
                if (ended == 1 && state == TokenState.Spent)
                {
                    Note(session, HistoryKind.Spent, exchange.Series.Plan, 1);
                }
            },
            cancellationToken);

    private const string SelectExchange =
        $"""
        SELECT {TokenSeries.Columns}, t.idx, t.request_hash, t.sealed_randomness, p.series, p.idx, p.sealed_token,
            ps.id, ps.issuer, ps.token_type, ps.key_id, ps.extensions, ps.challenge_digest, ps.namespace, ps.plan, ps.gateway, ps.public_key, ps.deadline, ps.exchange_until
        FROM token t JOIN series s ON s.id = t.series
        JOIN token p ON p.series = t.predecessor_series AND p.idx = t.predecessor_idx JOIN series ps ON ps.id = p.series
        """;

    private TokenExchange FindExchange(Session session, long series, long index) =>
        session.QuerySingle($"{SelectExchange} WHERE t.series = $1 AND t.idx = $2", ReadExchange, series, index)!;

    private TokenExchange ReadExchange(Row row)
    {
        TokenSeries successor = TokenSeries.Read(row);
        TokenSeries series = TokenSeries.Read(row, 18);
        long index = row.Int64(16);
        return new TokenExchange(
            series,
            index,
            OpenToken(row.BlobSpan(17), new TokenPlace(series.Id, index)).Token,
            successor,
            ReadReserved(row, successor.Id, 12));
    }
}
