using Tacit.Client.Conversations;
using Tacit.Client.Policy;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>Which tokens may pay for a request, the best first.</summary>
/// <param name="Issuer">The issuer's name.</param>
/// <param name="Gateway">The gateway's name.</param>
/// <param name="Plans">Ids of the plans that buy the request, cheapest first.</param>
/// <param name="UsableUntil">Tokens whose deadline is not after this are left alone.</param>
/// <param name="AllowUnknown">Whether a restored token, which may turn out spent, may be tried.</param>
/// <param name="Policy">Picks among them.</param>
internal sealed record TokenWish(
    string Issuer, string Gateway, IReadOnlyList<string> Plans, DateTimeOffset UsableUntil, bool AllowUnknown, WalletPolicy Policy)
{
    /// <summary>Ids of the subscription plans that buy the request. A chain of one costs nothing more, so they come before all others.</summary>
    public IReadOnlyList<string> Subscriptions { get; init; } = [];
}

/// <summary>A request with its token, as the journal holds it until it has ended.</summary>
internal sealed record OpenRequest
{
    public const int IdSizeInBytes = 16;

    public required byte[] Id { get; init; }

    public required TokenSeries Series { get; init; }

    public required long Index { get; init; }

    /// <summary>The token, 354 bytes. Secret.</summary>
    public required byte[] Token { get; init; }

    /// <summary>The salt that goes beside the token; empty for 0x0002, and for tokens from before salts were kept.</summary>
    public required byte[] Salt { get; init; }

    /// <summary>The state that the token was in before.</summary>
    public required TokenState CameFrom { get; init; }

    public required ConversationId Conversation { get; init; }

    public required PromptOperation Operation { get; init; }

    public required DateTimeOffset Started { get; init; }

    /// <summary>The encoded TokenRequest of the link after this one, which the request carries; null unless a chain pays for it.</summary>
    public byte[]? Successor { get; init; }

    public TokenPlace Place => new(Series.Id, Index);
}

internal sealed partial class WalletJournal
{
    /// <summary>
    /// held (or a returned one of this conversation, or a restored one) → presented, with the request and its sealed body. Before the first byte leaves.
    /// Which of those that fit is the policy's choice.
    /// </summary>
    /// <param name="id">A new random id.</param>
    /// <returns>Null if no token fits.</returns>
    public async Task<OpenRequest?> PresentAsync(
        byte[] id, TokenWish wish, ConversationId conversation, PromptOperation operation, byte[] tag, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        byte[] sealedBody = _keys.Seal(body.Span, BodyPlace(id));
        return await _database.WriteAsync(
            session =>
            {
                if (!TryChoose(session, wish, conversation, out TokenPlace place))
                {
                    return null;
                }
                TokenState from = (TokenState)session.QueryInt64("SELECT state FROM token WHERE series = $1 AND idx = $2", place.Series, place.Index)!.Value;
                Expect(
                    session.Execute(
                        "UPDATE token SET state = 4, conversation = $3 WHERE series = $1 AND idx = $2 AND state IN (3, 6, 7)",
                        place.Series, place.Index, conversation.Bytes),
                    "held → presented");
                session.Execute(
                    """
                    INSERT INTO request (id, series, idx, tag, conversation, operation, came_from, sealed_body, started)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                    """,
                    id, place.Series, place.Index, tag, conversation.Bytes, (int)operation, (int)from, sealedBody, Now);
                return FindOne(session, id);
            },
            cancellationToken);
    }

    /// <summary>Open requests with this tag that began after <paramref name="since"/>, oldest first.</summary>
    public Task<IReadOnlyList<OpenRequest>> FindOpenAsync(byte[] tag, DateTimeOffset since, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query($"{SelectOpen} WHERE r.tag = $1 AND r.started > $2 ORDER BY r.started, r.id", ReadOpen, tag, since.ToUnixTimeSeconds()),
            cancellationToken);

    /// <summary>All open requests, oldest first.</summary>
    public Task<IReadOnlyList<OpenRequest>> OpenRequestsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(session => session.Query($"{SelectOpen} ORDER BY r.started, r.id", ReadOpen), cancellationToken);

    /// <summary>Whether the request has not ended.</summary>
    public Task<bool> IsOpenAsync(byte[] requestId, CancellationToken cancellationToken) =>
        _database.ReadAsync(session => session.QueryInt64("SELECT 1 FROM request WHERE id = $1", requestId) is not null, cancellationToken);

    /// <summary>The body of an open request, to repeat it as it was. Null if the request has ended.</summary>
    public async Task<byte[]?> BodyAsync(byte[] requestId, CancellationToken cancellationToken)
    {
        byte[]? box = await _database.ReadAsync(
            session => session.QuerySingle("SELECT sealed_body FROM request WHERE id = $1", row => row.Blob(0), requestId), cancellationToken);
        return box is null ? null : _keys.Open(box, BodyPlace(requestId));
    }

    /// <summary>presented → spent; the request has ended and its body is gone. An exchange that it came before is over.</summary>
    public Task SpendAsync(OpenRequest request, CancellationToken cancellationToken) =>
        SettleAsync(
            request,
            TokenState.Spent,
            session =>
            {
                session.Execute(
                    "UPDATE token SET state = 8, sealed_randomness = NULL WHERE predecessor_series = $1 AND predecessor_idx = $2 AND state <> 8 AND state = 1",
                    request.Series.Id, request.Index);
                Note(session, HistoryKind.Spent, request.Series.Plan, 1);
            },
            cancellationToken);

    /// <summary>presented → returned: shown, not spent, and tied to its conversation.</summary>
    public Task ReturnAsync(OpenRequest request, CancellationToken cancellationToken) =>
        SettleAsync(request, TokenState.Returned, null, cancellationToken);

    /// <summary>presented → unknown: may have been shown, and nobody said what became of it. It will be exchanged.</summary>
    public Task GiveUpAsync(OpenRequest request, CancellationToken cancellationToken) =>
        SettleAsync(request, TokenState.Unknown, null, cancellationToken);

    /// <summary>returned → unknown, for all tokens of a gateway: none is shown there again before it is exchanged.</summary>
    public Task GiveUpReturnedAsync(string issuer, string gateway, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session => session.Execute(
                "UPDATE token SET state = 7 WHERE state = 6 AND series IN (SELECT id FROM series WHERE issuer = $1 AND gateway = $2)", issuer, gateway),
            cancellationToken);

    /// <summary>presented → the state before: no connection was made, so nothing left this machine.</summary>
    public Task TakeBackAsync(OpenRequest request, CancellationToken cancellationToken) =>
        SettleAsync(
            request,
            request.CameFrom,
            session =>
            {
                // A returned token stays with the conversation it was shown in; the others were never shown.
                if (request.CameFrom != TokenState.Returned)
                {
                    session.Execute("UPDATE token SET conversation = NULL WHERE series = $1 AND idx = $2", request.Series.Id, request.Index);
                }
            },
            cancellationToken);

    private Task SettleAsync(OpenRequest request, TokenState state, Action<Session>? also, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                Expect(session.Execute("DELETE FROM request WHERE id = $1", request.Id), "an open request ends once");
                Expect(
                    session.Execute(
                        "UPDATE token SET state = $3, sealed_token = CASE WHEN $3 = 5 THEN NULL ELSE sealed_token END WHERE series = $1 AND idx = $2 AND state = 4",
                        request.Series.Id, request.Index, (int)state),
                    "presented → " + state);
                also?.Invoke(session);
            },
            cancellationToken);

    private static bool TryChoose(Session session, TokenWish wish, ConversationId conversation, out TokenPlace place)
    {
        foreach (string plan in wish.Plans)
        {
            if (TryChoose(session, wish, plan, "t.state = 6 AND t.conversation = $5", conversation.Bytes, out place)
                || (wish.AllowUnknown && TryChoose(session, wish, plan, "t.state = 7 AND t.conversation IS NULL AND $5 IS NULL", null, out place))
                || TryChoose(session, wish, plan, "t.state = 3 AND $5 IS NULL", null, out place))
            {
                return true;
            }
        }
        place = default;
        return false;
    }

    private static bool TryChoose(Session session, TokenWish wish, string plan, string condition, byte[]? conversation, out TokenPlace place)
    {
        place = default;
        string from = $"FROM token t JOIN series s ON s.id = t.series WHERE s.issuer = $1 AND s.gateway = $2 AND s.plan = $3 AND s.deadline > $4 AND {condition}";
        SqlValue[] args = [wish.Issuer, wish.Gateway, plan, wish.UsableUntil.ToUnixTimeSeconds(), conversation];
        // A key may have two series: tokens that were bought and tokens from an exchange. They are one crowd.
        IReadOnlyList<(long, int)> keys = session.Query($"SELECT s.deadline, COUNT(*) {from} GROUP BY s.deadline", row => (row.Int64(0), row.Int32(1)), args);
        if (wish.Policy.Pick(keys) is not { } pick)
        {
            return false;
        }
        place = session.Query(
            $"SELECT t.series, t.idx {from} AND s.deadline = $6 ORDER BY t.series, t.idx LIMIT 1 OFFSET $7",
            row => new TokenPlace(row.Int64(0), row.Int64(1)), [.. args, pick.Deadline, pick.Place])[0];
        return true;
    }

    private const string SelectOpen =
        $"""
        SELECT {TokenSeries.Columns}, r.id, r.idx, t.sealed_token, r.came_from, r.conversation, r.operation, r.started, r.sealed_successor
        FROM request r JOIN token t ON t.series = r.series AND t.idx = r.idx JOIN series s ON s.id = r.series
        """;

    private OpenRequest? FindOne(Session session, byte[] id) => session.QuerySingle($"{SelectOpen} WHERE r.id = $1", ReadOpen, id);

    private OpenRequest ReadOpen(Row row)
    {
        TokenSeries series = TokenSeries.Read(row);
        long index = row.Int64(13);
        byte[] id = row.Blob(12);
        HeldToken held = OpenToken(row.BlobSpan(14), new TokenPlace(series.Id, index));
        return new OpenRequest
        {
            Id = id,
            Series = series,
            Index = index,
            Token = held.Token,
            Salt = held.Salt,
            CameFrom = (TokenState)row.Int32(15),
            Conversation = new ConversationId(row.Blob(16)),
            Operation = (PromptOperation)row.Int32(17),
            Started = DateTimeOffset.FromUnixTimeSeconds(row.Int64(18)),
            Successor = row.NullableBlob(19) is byte[] box ? _keys.Open(box, SuccessorPlace(id)) : null,
        };
    }

    private static byte[] BodyPlace(byte[] requestId) => [.. "body"u8, .. requestId];
}
