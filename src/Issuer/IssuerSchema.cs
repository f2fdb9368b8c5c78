using Tacit.Issuer.Gateways;
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
        new(3, "payments", """
            -- Credits that a reversed payment took back in vain; they come off the next deposit.
            ALTER TABLE account ADD COLUMN owed {int} NOT NULL DEFAULT 0 CHECK (owed >= 0);

            -- What was asked for. The account may not exist yet, so its key's hash stands here. state: 0 open, 1 ended, 2 paid.
            CREATE TABLE checkout (
              reference {blob} NOT NULL PRIMARY KEY,
              provider {text} NOT NULL,
              key_hash {blob} NOT NULL,
              credits {int} NOT NULL CHECK (credits > 0),
              amount {int} NOT NULL,
              currency {text} NOT NULL,
              price {text},
              state {int} NOT NULL,
              day {int} NOT NULL
            ) {without_rowid};

            -- What came, by the provider's id. state: 0 only heard of, 1 stray, 2 credited. total in the currency's smallest unit; reversed in credits.
            CREATE TABLE payment (
              provider {text} NOT NULL,
              id {text} NOT NULL,
              state {int} NOT NULL,
              account {int} NOT NULL,
              credits {int} NOT NULL,
              total {int} NOT NULL,
              reversed {int} NOT NULL CHECK (reversed >= 0 AND reversed <= credits),
              stray {text},
              day {int} NOT NULL,
              PRIMARY KEY (provider, id)
            ) {without_rowid};

            -- The latest word about each refund, dispute or adjustment.
            CREATE TABLE reversal (
              provider {text} NOT NULL,
              payment {text} NOT NULL,
              id {text} NOT NULL,
              amount {int} NOT NULL,
              finality {int} NOT NULL,
              occurred {int} NOT NULL,
              day {int} NOT NULL,
              PRIMARY KEY (provider, payment, id)
            ) {without_rowid};
            """),
        new(4, "crowds", """
            -- How many accounts were given tokens under a key, counted once a day (days since 1970-01-01, UTC), so that every issuer on the database says the same.
            CREATE TABLE crowd (
              key_ref {int} NOT NULL PRIMARY KEY,
              day {int} NOT NULL,
              accounts {int} NOT NULL
            ) {without_rowid};
            """),
        new(5, "pseudonyms", """
            -- The one element of an account under a key of pseudonyms: its hash. A permanent key's stay for ever.
            CREATE TABLE pseudonym (
              key_ref {int} NOT NULL,
              account {int} NOT NULL,
              element {blob} NOT NULL,
              PRIMARY KEY (key_ref, account)
            ) {without_rowid};

            CREATE INDEX pseudonym_by_account ON pseudonym (account);
            """),
        SealingKeyBook.Migration(6),
        SealingKeyBook.OnionMigration(7),
        Forgetting.Migration(8),
    ];
}
