using Tacit.Storage;

namespace Tacit.Issuer;

/// <summary>
/// The issuer's tables. Ids are random and tables keep key order, so that no row says when, or after which other, it came. The finest time is a day
/// (days since 1970-01-01, UTC).
/// </summary>
internal static class IssuerSchema
{
    public static IReadOnlyList<Migration> Migrations { get; } =
    [
        new(1, "accounts, ledger, vouchers, issuance, directory", """
            CREATE TABLE account (
              id {int} NOT NULL PRIMARY KEY,
              key_hash {blob} NOT NULL UNIQUE,
              balance {int} NOT NULL CHECK (balance >= 0)
            ) {without_rowid};

            CREATE TABLE ledger_transaction (
              id {int} NOT NULL PRIMARY KEY,
              kind {text} NOT NULL,
              day {int} NOT NULL,
              plan {text},
              quantity {int} NOT NULL
            ) {without_rowid};

            -- One row per leg; the legs of a transaction sum to zero. Negative accounts are the issuer's own.
            CREATE TABLE ledger_posting (
              account {int} NOT NULL,
              ledger_transaction {int} NOT NULL REFERENCES ledger_transaction (id),
              amount {int} NOT NULL CHECK (amount <> 0),
              PRIMARY KEY (account, ledger_transaction)
            ) {without_rowid};

            CREATE TABLE voucher (
              code_hash {blob} NOT NULL PRIMARY KEY,
              credits {int} NOT NULL CHECK (credits > 0),
              expires_day {int} NOT NULL,
              redeemed_by {int}
            ) {without_rowid};

            -- Times in seconds of UNIX time. over_since: when the key was first found to have retired, while it still has.
            CREATE TABLE issuing_key (
              key_ref {int} NOT NULL PRIMARY KEY,
              plan {text} NOT NULL,
              retires_at {int} NOT NULL,
              over_since {int}
            ) {without_rowid};

            -- What was paid for: the hash of a blinded element, never the element, until its key retires. The key comes first so that
            -- its rows lie together and are dropped together.
            CREATE TABLE issued (
              key_ref {int} NOT NULL,
              account {int} NOT NULL,
              element {blob} NOT NULL,
              price {int} NOT NULL CHECK (price >= 0),
              PRIMARY KEY (key_ref, account, element)
            ) {without_rowid};

            CREATE TABLE key_protection (
              id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
              header {blob} NOT NULL
            ) {without_rowid};

            CREATE TABLE directory_key (
              public_key {blob} NOT NULL PRIMARY KEY,
              sealed_seed {blob} NOT NULL
            ) {without_rowid};

            CREATE TABLE directory (
              sequence {int} NOT NULL PRIMARY KEY,
              content_hash {blob} NOT NULL,
              body {blob} NOT NULL
            ) {without_rowid};
            """),
        new(2, "subscriptions", """
            -- What an account holds in a period, from its first element on. elements: first tokens of chains that were signed, the restart included.
            CREATE TABLE subscription (
              plan {text} NOT NULL,
              deadline {int} NOT NULL,
              account {int} NOT NULL,
              period_start {int} NOT NULL,
              elements {int} NOT NULL CHECK (elements >= 0),
              price {int} NOT NULL CHECK (price >= 0),
              PRIMARY KEY (plan, deadline, account)
            ) {without_rowid};

            CREATE INDEX subscription_by_account ON subscription (account);
            """),
    ];
}
