namespace Tacit.Signer.Tests;

// What of the tests goes to the database, once more on PostgreSQL: see RoleDatabase.

public sealed class RenewalTestsOnPostgres : RenewalTests;
