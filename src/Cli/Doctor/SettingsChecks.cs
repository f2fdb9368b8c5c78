using System.Collections;
using Tacit.App;
using Tacit.Cli.Settings;
using Tacit.Cli.Wallets;
using Tacit.Hosting;

namespace Tacit.Cli.Doctor;

/// <summary>The settings that are in force without a --config: the environment's, and what a wallet remembers.</summary>
internal static class SettingsChecks
{
    private static readonly string[] s_sections = ["App", "Issuer", "Signer", "Gateway", "Relay"];

    /// <summary>Variables that no role would ever read.</summary>
    public static IEnumerable<Finding> Environment(IDictionary environment)
    {
        string[] stray = [.. environment.Keys.OfType<string>()
            .Where(name => name.StartsWith("TACIT__", StringComparison.OrdinalIgnoreCase)
                && !s_sections.Any(section => name.StartsWith($"TACIT__{section}__", StringComparison.OrdinalIgnoreCase)))
            .Order(StringComparer.Ordinal)];
        if (stray.Length > 0)
        {
            yield return Finding.Broken(
                "environment", $"no role reads {string.Join(", ", stray)}", $"Name the section: TACIT__{string.Join("__…, TACIT__", s_sections)}__….");
        }
    }

    /// <summary>The app's settings as every wallet command loads them; null in place of options if they are wrong.</summary>
    public static (Finding? Finding, AppOptions? Options) App(string dataFolder)
    {
        string remembered = Path.Combine(dataFolder, ClientFlags.RememberedFile);
        bool exists = File.Exists(remembered);
        try
        {
            AppOptions options = new SettingsLoader()
                .AddFlag(nameof(AppOptions.DataDirectory), dataFolder, "--data")
                .AddFile(exists ? remembered : null)
                .AddEnvironment("App")
                .Load(SettingsJson.Default.AppOptions);
            return (exists ? Finding.Fine("app settings", remembered) : null, options);
        }
        catch (SettingsException e)
        {
            return (Finding.Broken("app settings", string.Join("; ", e.Problems.Select(p => $"{p.Key}: {p.Problem}")), e.Problems[0].Fix), null);
        }
    }
}
