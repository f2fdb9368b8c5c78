namespace Tacit.Issuer.Tests;

// What of the tests goes to the database, once more on PostgreSQL: see RoleDatabase.

public sealed class LedgerTestsOnPostgres : LedgerTests;

public sealed class IssuanceTestsOnPostgres : IssuanceTests;

public sealed class AccountTestsOnPostgres : AccountTests;

public sealed class VoucherTestsOnPostgres : VoucherTests;

public sealed class RestoreTestsOnPostgres : RestoreTests;

public sealed class SubscriptionTestsOnPostgres : SubscriptionTests;

public sealed class DirectoryTestsOnPostgres : DirectoryTests;

public sealed class ModelTestsOnPostgres : ModelTests;

public sealed class PaymentTestsOnPostgres : PaymentTests;

public sealed class CheckoutForgettingTestsOnPostgres : CheckoutForgettingTests;

public sealed class SealingKeyTestsOnPostgres : SealingKeyTests;
