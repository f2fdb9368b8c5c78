using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>The signer's tables: keys, what they are used for, and how many signatures they made. Nothing about any one request is ever stored.</summary>
internal static class SignerSchema
{
    public static IReadOnlyList<Migration> Migrations { get; } =
    [
        new(1, "keys and their uses", """
            CREATE TABLE key_protection (
              id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
              header {blob} NOT NULL
            ) {without_rowid};

            -- A key serves the periods that start within [serves_from, serves_until), in seconds of UNIX time: one period for 0x0002, a
            -- quarter of a year for 0xDA7A.
            CREATE TABLE signing_key (
              key_id {blob} NOT NULL PRIMARY KEY,
              token_type {int} NOT NULL,
              spki {blob} NOT NULL,
              sealed_key {blob} NOT NULL,
              serves_from {int} NOT NULL,
              serves_until {int} NOT NULL
            ) {without_rowid};

            -- over_since: when the use was first found to be past its grace, while it still is.
            CREATE TABLE key_use (
              plan {text} NOT NULL,
              token_type {int} NOT NULL,
              period_kind {text} NOT NULL,
              period_start {int} NOT NULL,
              key_id {blob} NOT NULL REFERENCES signing_key (key_id),
              over_since {int},
              PRIMARY KEY (plan, token_type, period_kind, period_start)
            ) {without_rowid};
            """),
        new(2, "totals of signatures", """
            -- How many, by what they were under and for: nothing of when, or of any one of them. Purposes are those of the internal channel.
            CREATE TABLE signed_total (
              plan {text} NOT NULL,
              period_kind {text} NOT NULL,
              period_start {int} NOT NULL,
              purpose {int} NOT NULL,
              signed {int} NOT NULL,
              PRIMARY KEY (plan, period_kind, period_start, purpose)
            ) {without_rowid};
            """),
        new(3, "pseudonym keys", """
            -- kind: 1 transient, 2 permanent (no period: '' and 0), 3 transient-rotated. over_since: as in key_use.
            CREATE TABLE pseudonym_key (
              gateway {text} NOT NULL,
              kind {int} NOT NULL,
              period_kind {text} NOT NULL,
              period_start {int} NOT NULL,
              key_id {blob} NOT NULL REFERENCES signing_key (key_id),
              not_before {int} NOT NULL,
              over_since {int},
              PRIMARY KEY (gateway, kind, period_kind, period_start)
            ) {without_rowid};
            """),
    ];
}
