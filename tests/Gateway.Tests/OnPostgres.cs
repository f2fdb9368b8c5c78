namespace Tacit.Gateway.Tests;

// What of the tests goes to the database, once more on PostgreSQL: see RoleDatabase.

public sealed class SpendLedgerTestsOnPostgres : SpendLedgerTests;

public sealed class SpendStateTestsOnPostgres : SpendStateTests;

public sealed class ExchangeTestsOnPostgres : ExchangeTests;

public sealed class ChainLedgerTestsOnPostgres : ChainLedgerTests;

public sealed class ChainRecoveryTestsOnPostgres : ChainRecoveryTests;

public sealed class PseudonymLedgerTestsOnPostgres : PseudonymLedgerTests;

public sealed class ReplayGuardTestsOnPostgres : ReplayGuardTests;

public sealed class SealingKeyTestsOnPostgres : SealingKeyTests;

public sealed class ClockTestsOnPostgres : ClockTests;
