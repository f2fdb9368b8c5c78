using System.Security.Cryptography;
using Tacit.Client.Conversations;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>What the chains of some plans are at.</summary>
/// <param name="Ready">A head that can be presented now; null if there is none.</param>
/// <param name="Busy">Chains whose next head is still to come.</param>
/// <param name="Ended">Chains that were refused or lost.</param>
internal sealed record ChainView(TokenPlace? Ready, TokenSeries? Series, int Busy, int Ended);

/// <summary>The link that a chain is about to get.</summary>
/// <param name="Randomness">Of its blinding and nonce; never derived from the seed, or a copied wallet would walk the chain.</param>
/// <param name="RequestHash">SHA-256 of the blinded message.</param>
/// <param name="Request">The encoded TokenRequest.</param>
internal sealed record NextLink(byte[] Randomness, byte[] RequestHash, byte[] Request);

/// <summary>Chains of one plan and period, counted.</summary>
internal sealed record ChainCount(string Plan, DateTimeOffset Deadline, TokenState State, int Count);

/// <summary>A plan that this wallet subscribed to.</summary>
/// <param name="Renews">Whether the next period is bought by itself.</param>
/// <param name="BoughtUntil">The last deadline for which nothing more is bought by itself.</param>
/// <param name="RenewAt">When the next period will be bought; null until that is drawn.</param>
internal sealed record Subscription(string Plan, bool Renews, DateTimeOffset BoughtUntil, DateTimeOffset? RenewAt);

internal sealed partial class WalletJournal
{
    private const int ChainNamespace = (int)TokenNamespace.Chain;

    /// <summary>Called after each transition of a chain is durable. For tests.</summary>
    internal Action<ChainStep>? StepTaken { get; set; }

    /// <summary>The chains that could pay, of the first plan that has any ready one. Heads are picked at random within the oldest deadline.</summary>
    public Task<ChainView> ViewChainsAsync(TokenWish wish, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session =>
            {
                int busy = 0;
                int ended = 0;
                foreach (string plan in wish.Subscriptions)
                {
                    IReadOnlyList<(TokenSeries Series, long Index, TokenState State, bool Proven)> rows = session.Query(
                        $"""
                        SELECT {TokenSeries.Columns}, t.idx, t.state, t.batch
                        FROM token t JOIN series s ON s.id = t.series
                        WHERE s.namespace = {ChainNamespace} AND s.issuer = $1 AND s.gateway = $2 AND s.plan = $3 AND s.deadline > $4
                        ORDER BY s.deadline, t.series, t.idx
                        """,
                        row => (TokenSeries.Read(row), row.Int64(12), (TokenState)row.Int32(13), row.Int64(14) != RestoredBatch),
                        wish.Issuer, wish.Gateway, plan, wish.UsableUntil.ToUnixTimeSeconds());
                    var ready = rows.Where(row => row.State == TokenState.Held && row.Proven).ToList();
                    if (ready.Count > 0)
                    {
                        var oldest = ready.FindAll(row => row.Series.Deadline == ready[0].Series.Deadline);
                        (TokenSeries series, long index, _, _) = oldest[RandomNumberGenerator.GetInt32(oldest.Count)];
                        return new ChainView(new TokenPlace(series.Id, index), series, 0, 0);
                    }
                    busy += rows.Count(row => row.State == TokenState.Presented || (row.State == TokenState.Held && !row.Proven));
                    ended += rows.Count(row => row.State is TokenState.Refused or TokenState.Lost);
                }
                return new ChainView(null, null, busy, ended);
            },
            cancellationToken);

    /// <summary>The plans of which chains are there for now, and whether one of them has not ended.</summary>
    public Task<IReadOnlyList<(string Plan, bool IsLive)>> SubscribedPlansAsync(string issuer, DateTimeOffset usableUntil, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                $"""
                SELECT s.plan, MAX(CASE WHEN t.state IN (3, 4) THEN 1 ELSE 0 END) FROM token t JOIN series s ON s.id = t.series
                WHERE s.namespace = {ChainNamespace} AND s.issuer = $1 AND s.deadline > $2 AND t.state IN (3, 4, 9, 10) GROUP BY s.plan
                """,
                row => (row.Text(0), row.Boolean(1)), issuer, usableUntil.ToUnixTimeSeconds()),
            cancellationToken);

    /// <summary>
    /// held → presented, with the request, its sealed body and the successor that it carries. Before the first byte leaves. Null if the head was taken.
    /// </summary>
    public async Task<OpenRequest?> PresentLinkAsync(
        byte[] id, TokenPlace head, NextLink next, ConversationId conversation, PromptOperation operation, byte[] tag, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken)
    {
        byte[] sealedBody = _keys.Seal(body.Span, BodyPlace(id));
        byte[] sealedSuccessor = _keys.Seal(next.Request, SuccessorPlace(id));
        OpenRequest? open = await _database.WriteAsync(
            session =>
            {
                if (session.Execute("UPDATE token SET state = 4 WHERE series = $1 AND idx = $2 AND state = 3", head.Series, head.Index) == 0)
                {
                    return null;
                }
                InsertNext(session, head, next, NewBatchId());
                session.Execute(
                    """
                    INSERT INTO request (id, series, idx, tag, conversation, operation, came_from, sealed_body, sealed_successor, started)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                    """,
                    id, head.Series, head.Index, tag, conversation.Bytes, (int)operation, (int)TokenState.Held, sealedBody, sealedSuccessor, Now);
                return FindOne(session, id);
            },
            cancellationToken);
        Taken(ChainStep.LinkPresented, open is not null);
        return open;
    }

    /// <summary>
    /// The successor requested → held: it is the chain's head. What it follows is erased at once, or with its request if that has not ended. False if somebody
    /// else has done this.
    /// </summary>
    public async Task<bool> RenewLinkAsync(TokenExchange link, byte[] token, CancellationToken cancellationToken)
    {
        byte[] box = SealNext(link, token);
        bool renewed = await _database.WriteAsync(session => Renew(session, link, box), cancellationToken);
        Taken(ChainStep.LinkRenewed, renewed);
        return renewed;
    }

    /// <summary>
    /// The request has ended, and its body is gone. A link that is renewed by it, or was before, goes with it; one that was not is still to be exchanged.
    /// </summary>
    public async Task CloseLinkAsync(OpenRequest request, bool spent, LinkRenewal? renewal, CancellationToken cancellationToken)
    {
        byte[] box = renewal?.Link is TokenExchange sealedLink ? SealNext(sealedLink, renewal.Token) : [];
        bool renewed = await _database.WriteAsync(
            session =>
            {
                Expect(session.Execute("DELETE FROM request WHERE id = $1", request.Id), "an open request ends once");
                bool renewedNow = renewal?.Link is TokenExchange link && Renew(session, link, box);
                EraseSpentLink(session, new TokenPlace(request.Series.Id, request.Index));
                if (spent)
                {
                    Note(session, HistoryKind.Spent, request.Series.Plan, 1);
                }
                return renewedNow;
            },
            cancellationToken);
        Taken(ChainStep.LinkRenewed, renewed);
        Taken(ChainStep.RequestClosed, true);
    }

    /// <summary>presented → held: no connection was made, so neither the head nor its successor left this machine.</summary>
    public Task TakeBackLinkAsync(OpenRequest request, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                Expect(session.Execute("DELETE FROM request WHERE id = $1", request.Id), "an open request ends once");
                session.Execute(
                    "DELETE FROM token WHERE predecessor_series = $1 AND predecessor_idx = $2 AND state = 2", request.Series.Id, request.Index);
                Expect(
                    session.Execute("UPDATE token SET state = 3 WHERE series = $1 AND idx = $2 AND state = 4", request.Series.Id, request.Index), "presented → held");
            },
            cancellationToken);

    /// <summary>The link that an open request carries, while it has not been renewed.</summary>
    public Task<TokenExchange?> FindLinkAsync(TokenPlace head, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.QuerySingle(
                $"{SelectExchange} WHERE t.state = 2 AND p.state = 4 AND p.series = $1 AND p.idx = $2", ReadExchange, head.Series, head.Index),
            cancellationToken);

    /// <summary>Links whose request has ended and whose successor did not come: to be exchanged.</summary>
    public Task<IReadOnlyList<TokenExchange>> DueLinksAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(session => session.Query(SelectDue, ReadExchange, Now), cancellationToken);

    /// <summary>The link after this head, if it is still to be exchanged.</summary>
    public Task<TokenExchange?> FindDueLinkAsync(TokenPlace head, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.QuerySingle($"{SelectDue} AND p.series = $2 AND p.idx = $3", ReadExchange, Now, head.Series, head.Index), cancellationToken);

    /// <summary>Heads from a backup: whether they are still the heads, an exchange tells before a prompt is shown with them.</summary>
    public Task<IReadOnlyList<(TokenSeries Series, long Index)>> UnprovenHeadsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                $"""
                SELECT {TokenSeries.Columns}, t.idx FROM token t JOIN series s ON s.id = t.series
                WHERE s.namespace = {ChainNamespace} AND t.state = 3 AND t.batch = {RestoredBatch} AND s.deadline > $1
                """,
                row => (TokenSeries.Read(row), row.Int64(12)), Now),
            cancellationToken);

    /// <summary>held → presented, for an exchange and not for a request.</summary>
    public async Task<TokenExchange?> PresentForRenewalAsync(TokenPlace head, NextLink next, CancellationToken cancellationToken)
    {
        TokenExchange? link = await _database.WriteAsync(
            session =>
            {
                if (session.Execute("UPDATE token SET state = 4 WHERE series = $1 AND idx = $2 AND state = 3", head.Series, head.Index) == 0)
                {
                    return null;
                }
                long index = InsertNext(session, head, next, NewBatchId());
                return FindExchange(session, head.Series, index);
            },
            cancellationToken);
        Taken(ChainStep.LinkPresented, link is not null);
        return link;
    }

    /// <summary>presented → refused or lost. The row stays until the deadline, so that nothing is bought in its place by itself. False if it had ended.</summary>
    public async Task<bool> EndChainAsync(TokenExchange link, TokenState end, CancellationToken cancellationToken)
    {
        bool ended = await _database.WriteAsync(
            session =>
            {
                session.Execute(
                    "DELETE FROM token WHERE predecessor_series = $1 AND predecessor_idx = $2 AND state = 2", link.Series.Id, link.Index);
                return session.Execute(
                    "UPDATE token SET state = $3, sealed_token = NULL WHERE series = $1 AND idx = $2 AND state = 4", link.Series.Id, link.Index, (int)end) == 1;
            },
            cancellationToken);
        Taken(ChainStep.ChainEnded, ended);
        return ended;
    }

    /// <summary>How many chains of a series were asked for, those that have ended included, and how many of them are lost.</summary>
    public Task<(int Chains, int Lost)> CountChainsAsync(TokenSeries series, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.QuerySingle(
                """
                SELECT COUNT(*), COUNT(CASE WHEN t.state = 10 THEN 1 END) FROM token t JOIN series s ON s.id = t.series
                WHERE s.issuer = $1 AND s.key_id = $2 AND s.extensions = $3 AND s.challenge_digest = $4 AND s.namespace = $5
                AND (t.state IN (3, 4, 9, 10) OR (t.state = 2 AND t.predecessor_idx IS NULL))
                """,
                row => (row.Int32(0), row.Int32(1)), series.Issuer, series.KeyId, series.Extensions, series.ChallengeDigest, (int)series.Namespace),
            cancellationToken);

    public Task<IReadOnlyList<ChainCount>> ChainsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                $"""
                SELECT s.plan, s.deadline, t.state, COUNT(*) FROM token t JOIN series s ON s.id = t.series
                WHERE s.namespace = {ChainNamespace} AND s.deadline > $1 AND (t.state <> 2 OR t.predecessor_idx IS NULL)
                GROUP BY s.plan, s.deadline, t.state ORDER BY s.plan, s.deadline, t.state
                """,
                row => new ChainCount(row.Text(0), DateTimeOffset.FromUnixTimeSeconds(row.Int64(1)), (TokenState)row.Int32(2), row.Int32(3)),
                Now),
            cancellationToken);

    public Task<IReadOnlyList<Subscription>> SubscriptionsAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                "SELECT plan, renews, bought_until, renew_at FROM subscription ORDER BY plan",
                row => new Subscription(
                    row.Text(0), row.Boolean(1), DateTimeOffset.FromUnixTimeSeconds(row.Int64(2)),
                    row.NullableInt64(3) is long at ? DateTimeOffset.FromUnixTimeSeconds(at) : null)),
            cancellationToken);

    /// <summary>Notes that the plan is subscribed to, and whether it renews.</summary>
    public Task SubscribeAsync(string issuer, string plan, bool renews, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session => session.Execute(
                """
                INSERT INTO subscription (issuer, plan, renews) VALUES ($1, $2, $3)
                ON CONFLICT (issuer, plan) DO UPDATE SET renews = excluded.renews
                """,
                issuer, plan, renews),
            cancellationToken);

    /// <summary>Nothing more is bought by itself for periods up to this deadline.</summary>
    public Task BoughtUntilAsync(string plan, DateTimeOffset deadline, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session => session.Execute(
                "UPDATE subscription SET bought_until = $2, renew_at = NULL WHERE plan = $1 AND bought_until < $2", plan, deadline.ToUnixTimeSeconds()),
            cancellationToken);

    public Task RenewAtAsync(string plan, DateTimeOffset at, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session => session.Execute("UPDATE subscription SET renew_at = $2 WHERE plan = $1", plan, at.ToUnixTimeSeconds()), cancellationToken);

    /// <summary>Whether what was bought after a backup is still to be asked for, before anything new is bought.</summary>
    public Task<bool> IsRestoreDueAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(session => session.QueryInt64("SELECT restore_due FROM wallet WHERE id = 1") == 1, cancellationToken);

    public Task RestoredAsync(CancellationToken cancellationToken) =>
        _database.WriteAsync(session => session.Execute("UPDATE wallet SET restore_due = 0 WHERE id = 1 AND restore_due = 1"), cancellationToken);

    /// <summary>Chains end with their period: nothing of them is kept once the issuer's directory lists its key no more, whatever the clock says.</summary>
    /// <param name="directory">As for <see cref="ExpireAsync"/>.</param>
    /// <param name="cancellationToken">Before anything is written.</param>
    public Task ExpireChainsAsync(IssuerDirectory directory, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                const string expired =
                    "series = $1 AND NOT EXISTS (SELECT 1 FROM request r JOIN series rs ON rs.id = r.series WHERE r.series = token.series)";
                foreach (long series in FindOver(session, directory, $"s.namespace = {ChainNamespace} AND s.deadline <= $1"))
                {
                    session.Execute($"UPDATE token SET predecessor_series = NULL, predecessor_idx = NULL WHERE {expired}", series);
                    session.Execute($"DELETE FROM token WHERE {expired}", series);
                }
            },
            cancellationToken);

    private const string SelectDue =
        $"""
        {SelectExchange} WHERE ps.namespace = 1 AND t.state = 2 AND p.state = 4 AND ps.deadline > $1
        AND NOT EXISTS (SELECT 1 FROM request r WHERE r.series = p.series AND r.idx = p.idx)
        """;

    private byte[] SealNext(TokenExchange link, byte[] token) => _keys.Seal(token, PlaceOf("token"u8, new TokenPlace(link.SuccessorSeries.Id, link.Successor.Index)));

    private static bool Renew(Session session, TokenExchange link, byte[] box)
    {
        if (session.Execute(
            "UPDATE token SET state = 3, sealed_token = $3, sealed_randomness = NULL, request_hash = NULL WHERE series = $1 AND idx = $2 AND state = 2",
            link.SuccessorSeries.Id, link.Successor.Index, box) == 0)
        {
            return false;
        }
        Expect(session.Execute("UPDATE token SET state = 5 WHERE series = $1 AND idx = $2 AND state = 4", link.Series.Id, link.Index), "presented → spent");
        EraseSpentLink(session, new TokenPlace(link.Series.Id, link.Index));
        return true;
    }

    private long InsertNext(Session session, TokenPlace head, NextLink next, long batch)
    {
        long index = session.QueryInt64("UPDATE series SET next_index = next_index + 1 WHERE id = $1 RETURNING next_index - 1", head.Series)
            ?? throw new ClientException(ClientError.JournalCorrupt, "The wallet's journal has lost a series.");
        session.Execute(
            """
            INSERT INTO token (series, idx, state, batch, request_hash, sealed_randomness, predecessor_series, predecessor_idx)
            VALUES ($1, $2, 2, $3, $4, $5, $1, $6)
            """,
            head.Series, index, batch, next.RequestHash, _keys.Seal(next.Randomness, PlaceOf("randomness"u8, new TokenPlace(head.Series, index))), head.Index);
        return index;
    }

    /// <summary>A link that is spent and whose request has ended tells which tokens came one after the other: it goes.</summary>
    private static void EraseSpentLink(Session session, TokenPlace place)
    {
        const string done =
            "series = $1 AND idx = $2 AND state = 5 AND NOT EXISTS (SELECT 1 FROM request r WHERE r.series = token.series AND r.idx = token.idx)";
        if (session.QueryInt64($"SELECT 1 FROM token WHERE {done}", place.Series, place.Index) is not null)
        {
            session.Execute(
                "UPDATE token SET predecessor_series = NULL, predecessor_idx = NULL WHERE predecessor_series = $1 AND predecessor_idx = $2", place.Series, place.Index);
            session.Execute("DELETE FROM token WHERE series = $1 AND idx = $2", place.Series, place.Index);
        }
    }

    private void Taken(ChainStep step, bool happened)
    {
        if (happened)
        {
            StepTaken?.Invoke(step);
        }
    }

    private static byte[] SuccessorPlace(byte[] requestId) => [.. "successor"u8, .. requestId];
}
