using System.Collections;
using System.Globalization;
using Tacit.Hosting;
using Tacit.Storage;

namespace Tacit.Cli.Doctor;

/// <summary>The PostgreSQL databases that the environment gives to the server roles of this machine.</summary>
internal static class DatabaseChecks
{
    private static readonly string[] s_roles = ["Signer", "Issuer", "Gateway"];

    public static async Task<IReadOnlyList<Finding>> RunAsync(IDictionary environment, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        var found = new List<(string Role, PostgresCheck Check)>();
        foreach (string role in s_roles)
        {
            string variable = $"TACIT__{role}__Database__Postgres";
            string? text = environment.Keys.OfType<string>().Where(name => name.Equals(variable, StringComparison.OrdinalIgnoreCase)).Select(name => environment[name] as string).FirstOrDefault();
            if (string.IsNullOrEmpty(text))
            {
                continue;
            }

            string check = $"{role.ToLowerInvariant()}'s database";
            if (!SecretReference.TryParse(text, out SecretReference? reference))
            {
                findings.Add(Finding.Broken(check, $"{variable} is no reference", "Give env:NAME or file:PATH, where the connection string is."));
                continue;
            }

            try
            {
                PostgresCheck facts = await PostgresCheck.RunAsync(new DatabaseOptions { Postgres = reference }.LoadConnectionString()!, cancellationToken);
                findings.AddRange(Judge(check, facts));
                found.Add((role, facts));
            }
            catch (StorageException e)
            {
                findings.Add(Finding.Broken(check, e.Message, "See PostgreSQL in docs/operating.md."));
            }
            catch (SettingsException e)
            {
                findings.Add(Finding.Broken(check, e.Problems[0].Problem, e.Problems[0].Fix));
            }
        }

        foreach (IGrouping<string, (string Role, PostgresCheck Check)> login in found.GroupBy(one => one.Check.Login).Where(group => group.Count() > 1))
        {
            string roles = string.Join(" and ", login.Select(one => one.Role.ToLowerInvariant()));
            bool links = login.Any(one => one.Role == "Issuer") && login.Any(one => one.Role == "Gateway");
            findings.Add(Finding.Warn(
                "database logins", $"{roles} use the login {login.Key}" + (links ? ": one secret opens both what accounts bought and what was spent" : ""),
                "Give each role a login and a database of its own."));
        }

        return findings;
    }

    private static IEnumerable<Finding> Judge(string check, PostgresCheck facts)
    {
        if (facts.Version < PostgresCheck.LeastVersion)
        {
            yield return Finding.Broken(check, $"{facts.Name} is PostgreSQL {Version(facts)}", "Upgrade the server to 13 or newer.");
        }
        else if (!facts.MayCreateTables)
        {
            yield return Finding.Broken(check, $"{facts.Login} may not create tables in {facts.Name}", $"ALTER DATABASE … OWNER TO {facts.Login}, or GRANT CREATE ON SCHEMA public TO {facts.Login}.");
        }
        else
        {
            yield return Finding.Fine(check, $"{facts.Name}, PostgreSQL {Version(facts)}, as {facts.Login}");
        }

        if (!facts.IsPrivate)
        {
            yield return Finding.Warn(check, $"the connection to {facts.Name} is not encrypted", "Take SSL Mode=Disable or Prefer out of the connection string.");
        }

        if (!facts.IsDurable)
        {
            yield return Finding.Warn(check, "a crash of its server can undo what it reported as done, and so bring spent tokens back", "Set fsync and synchronous_commit to on.");
        }

        if (facts.IsSuperuser)
        {
            yield return Finding.Warn(check, $"{facts.Login} is a superuser, which can read every other role's database", "Make a login without SUPERUSER that owns this database.");
        }
    }

    private static string Version(PostgresCheck facts) => string.Create(CultureInfo.InvariantCulture, $"{facts.Version / 10000}.{facts.Version % 10000}");
}
