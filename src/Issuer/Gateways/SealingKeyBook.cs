using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Issuer.Gateways;

/// <summary>
/// The sealing keys that gateways offered and this issuer took: they stay in the directory until their time is over, whatever the gateway says later. All issuers on the
/// database publish the same.
/// </summary>
internal sealed class SealingKeyBook
{
    /// <summary>What ended is remembered for as long, for no good reason but that it may be asked why an offer was refused.</summary>
    private static readonly TimeSpan s_memory = TimeSpan.FromDays(1);

    private readonly Database _database;

    public SealingKeyBook(Database database)
    {
        _database = database;
    }

    public static Migration Migration(int version) => new(version, "sealing keys of gateways", """
        -- Times in seconds of UNIX time. made_at: of the offer that the evidence came with.
        CREATE TABLE sealing_key (
          gateway {text} NOT NULL,
          kem {int} NOT NULL,
          not_before {int} NOT NULL,
          not_after {int} NOT NULL,
          config {blob} NOT NULL,
          evidence_format {text},
          evidence {blob},
          made_at {int} NOT NULL,
          PRIMARY KEY (gateway, kem, not_before)
        ) {without_rowid};
        """);

    public static Migration OnionMigration(int version) => new(version, "onion services of gateways", """
        -- What each gateway last told of its onion service; no address where it told that it has none. made_at: of that offer, in seconds of UNIX time.
        CREATE TABLE gateway_onion (
          gateway {text} NOT NULL PRIMARY KEY,
          onion {text},
          made_at {int} NOT NULL
        ) {without_rowid};
        """);

    /// <summary>The onion services that gateways told of, by the gateway's name.</summary>
    public Task<IReadOnlyDictionary<string, string>> LoadOnionsAsync(CancellationToken cancellationToken) => _database.ReadAsync<IReadOnlyDictionary<string, string>>(
        static session => session.Query("SELECT gateway, onion FROM gateway_onion WHERE onion IS NOT NULL", static row => (Gateway: row.Text(0), Onion: row.Text(1)))
            .ToDictionary(row => row.Gateway, row => row.Onion, StringComparer.Ordinal),
        cancellationToken);

    /// <summary>All keys whose time is not over, by gateway, in ascending order.</summary>
    public Task<IReadOnlyList<SealingKey>> LoadAsync(DateTimeOffset now, CancellationToken cancellationToken) => _database.ReadAsync(
        session => session.Query(
            "SELECT gateway, not_before, not_after, config, evidence_format, evidence FROM sealing_key WHERE not_after > $1 ORDER BY gateway, not_before, kem", Read,
            now.ToUnixTimeSeconds()),
        cancellationToken);

    /// <summary>Takes what an offer has that is new; all or nothing.</summary>
    /// <returns>Why nothing was taken, or null.</returns>
    public Task<string?> TakeAsync(SealingOffer offer, DateTimeOffset now) => _database.WriteAsync(session =>
    {
        session.Execute("DELETE FROM sealing_key WHERE not_after <= $1", (now - s_memory).ToUnixTimeSeconds());
        List<SealingKey> known =
        [
            .. session.Query(
                "SELECT gateway, not_before, not_after, config, evidence_format, evidence FROM sealing_key WHERE gateway = $1 AND not_after > $2 ORDER BY not_before, kem", Read,
                offer.Gateway, now.ToUnixTimeSeconds()),
        ];
        SealingKey[] live = [.. offer.Keys.Where(key => key.NotAfter > now)];
        SealingKey[] news = [.. live.Where(key => !known.Exists(key.IsSameKey))];
        if (news.FirstOrDefault(key => known.Exists(key.Contradicts)) is { } odd)
        {
            return $"it has another key for the time from {odd.NotBefore:yyyy-MM-dd HH:mm} than it had before";
        }

        // What is listed is not withdrawn: whoever had the gateway's key for a moment, or a clock that was years ahead, would else fill the list for as long.
        if (live.FirstOrDefault(key => key.NotBefore > now + SealingKey.LongestValidity) is { } far)
        {
            return $"it has a key for the time from {far.NotBefore:yyyy-MM-dd HH:mm}, which is too far off to be the next";
        }

        if (SealingKeyList.FindFault(offer.Gateway, [.. known.Concat(news).OrderBy(key => key.NotBefore)]) is string fault)
        {
            return fault;
        }

        foreach (SealingKey key in live)
        {
            session.Execute(
                """
                INSERT INTO sealing_key (gateway, kem, not_before, not_after, config, evidence_format, evidence, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                ON CONFLICT (gateway, kem, not_before) DO UPDATE
                  SET evidence_format = excluded.evidence_format, evidence = excluded.evidence, made_at = excluded.made_at
                  WHERE sealing_key.made_at < excluded.made_at AND sealing_key.config = excluded.config
                """,
                key.Gateway, key.KemId, key.NotBefore.ToUnixTimeSeconds(), key.NotAfter.ToUnixTimeSeconds(), key.Config, key.Evidence?.Format,
                key.Evidence?.Bytes.ToArray(), offer.MadeAt.ToUnixTimeSeconds());
        }

        session.Execute(
            """
            INSERT INTO gateway_onion (gateway, onion, made_at) VALUES ($1, $2, $3)
            ON CONFLICT (gateway) DO UPDATE SET onion = excluded.onion, made_at = excluded.made_at WHERE gateway_onion.made_at < excluded.made_at
            """,
            offer.Gateway, offer.Onion, offer.MadeAt.ToUnixTimeSeconds());

        return null;
    });

    private static SealingKey Read(Row row) => new()
    {
        Gateway = row.Text(0),
        NotBefore = DateTimeOffset.FromUnixTimeSeconds(row.Int64(1)),
        NotAfter = DateTimeOffset.FromUnixTimeSeconds(row.Int64(2)),
        Config = row.Blob(3),
        Evidence = row.NullableText(4) is string format ? new KeyEvidence(format, row.Blob(5)) : null,
    };
}
