using Tacit.Storage;

namespace Tacit.Client;

/// <summary>
/// The tables of <c>wallet.db</c>. Tokens, bodies, keys and codes are sealed under the wallet's seed, which is in a file of its own: a copy of the database
/// alone spends nothing and tells no prompt.
/// </summary>
internal static class WalletSchema
{
    public static IReadOnlyList<Migration> Migrations { get; } =
    [
        new(1, "wallet", """
            CREATE TABLE wallet (
                id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
                seed_check {blob} NOT NULL,
                recoverable {int} NOT NULL,
                next_refill {int}
            ) {strict};

            CREATE TABLE directory (
                issuer {text} NOT NULL PRIMARY KEY,
                pinned_key {blob} NOT NULL,
                sequence {int},
                document {blob},
                fetched {int}
            ) {strict};

            CREATE TABLE account (
                issuer {text} NOT NULL PRIMARY KEY,
                sealed_key {blob} NOT NULL,
                credits {int}
            ) {strict};

            CREATE TABLE voucher (
                id {identity},
                issuer {text} NOT NULL,
                code_hash {blob} NOT NULL UNIQUE,
                sealed_code {blob},
                state {int} NOT NULL,
                credits {int}
            ) {strict};

            CREATE TABLE series (
                id {identity},
                issuer {text} NOT NULL,
                token_type {int} NOT NULL,
                key_id {blob} NOT NULL,
                extensions {blob} NOT NULL,
                challenge_digest {blob} NOT NULL,
                namespace {int} NOT NULL,
                plan {text} NOT NULL,
                gateway {text} NOT NULL,
                public_key {blob} NOT NULL,
                deadline {int} NOT NULL,
                exchange_until {int} NOT NULL,
                next_index {int} NOT NULL DEFAULT 0,
                UNIQUE (issuer, token_type, key_id, extensions, challenge_digest, namespace)
            ) {strict};

            CREATE TABLE token (
                series {int} NOT NULL REFERENCES series (id),
                idx {int} NOT NULL,
                state {int} NOT NULL,
                batch {int} NOT NULL,
                request_hash {blob},
                sealed_randomness {blob},
                sealed_token {blob},
                conversation {blob},
                predecessor_series {int},
                predecessor_idx {int},
                PRIMARY KEY (series, idx),
                FOREIGN KEY (predecessor_series, predecessor_idx) REFERENCES token (series, idx)
            ) {without_rowid};

            CREATE INDEX token_by_state ON token (state, series);
            CREATE UNIQUE INDEX token_by_predecessor ON token (predecessor_series, predecessor_idx) WHERE state <> 8;

            CREATE TABLE request (
                id {blob} NOT NULL PRIMARY KEY,
                series {int} NOT NULL,
                idx {int} NOT NULL,
                tag {blob} NOT NULL,
                conversation {blob} NOT NULL,
                operation {int} NOT NULL,
                came_from {int} NOT NULL,
                sealed_body {blob} NOT NULL,
                started {int} NOT NULL,
                UNIQUE (series, idx),
                FOREIGN KEY (series, idx) REFERENCES token (series, idx)
            ) {without_rowid};

            CREATE INDEX request_by_tag ON request (tag);

            CREATE TABLE history (
                day {int} NOT NULL,
                what {int} NOT NULL,
                plan {text} NOT NULL,
                amount {int} NOT NULL,
                PRIMARY KEY (day, what, plan)
            ) {without_rowid};
            """),
        new(2, "subscriptions", """
            CREATE TABLE subscription (
                issuer {text} NOT NULL,
                plan {text} NOT NULL,
                renews {int} NOT NULL,
                bought_until {int} NOT NULL DEFAULT 0,
                renew_at {int},
                PRIMARY KEY (issuer, plan)
            ) {without_rowid};

            ALTER TABLE request ADD COLUMN sealed_successor {blob};
            ALTER TABLE wallet ADD COLUMN restore_due {int} NOT NULL DEFAULT 0;
            """),
        new(3, "contradicting directories", """
            ALTER TABLE directory ADD COLUMN contradiction {text};
            """),
        new(4, "pseudonyms", """
            CREATE TABLE pseudonym (
                issuer {text} NOT NULL,
                key_id {blob} NOT NULL,
                gateway {text} NOT NULL,
                kind {int} NOT NULL,
                deadline {int},
                state {int} NOT NULL,
                shown {int} NOT NULL DEFAULT 0,
                sealed_secrets {blob} NOT NULL,
                sealed_token {blob},
                PRIMARY KEY (issuer, key_id)
            ) {without_rowid};
            """),
    ];
}
