namespace Tacit.Hosting;

/// <summary>What a role refuses to do in <see cref="Profile.Production"/>, since nobody who does it there means to.</summary>
public static class ProductionRules
{
    /// <summary>Plain HTTP on an address that other machines reach: whoever is on the way reads tokens, account keys and prompts.</summary>
    /// <param name="behindProxy">The operator says that TLS ends in front, or that the network is encrypted below (WireGuard).</param>
    public static void RequireEncryption(SettingsValidation validation, Profile profile, ListenAddress? listen, TlsOptions tls, bool behindProxy)
    {
        ArgumentNullException.ThrowIfNull(validation);
        ArgumentNullException.ThrowIfNull(tls);
        validation.Require(
            profile == Profile.Development || listen is null or { IsLoopback: true } || tls.IsOn || behindProxy, "Listen",
            $"{listen} would take plain HTTP from other machines",
            "Set Tls:Certificate and Tls:Key; or listen on 127.0.0.1; or set BehindProxy to true if TLS ends at a proxy in front or a WireGuard network lies below; or Profile to development.");
    }

    /// <summary>A secret that every user of the machine can read is none.</summary>
    /// <exception cref="SettingsException">It is one, in production.</exception>
    public static void RequireClosedFile(Profile profile, SecretReference secret, string setting)
    {
        ArgumentNullException.ThrowIfNull(secret);
        if (profile == Profile.Production && secret.IsReadableByAll())
        {
            throw new SettingsException(new SettingsProblem(setting, $"every user of this machine can read the secret {secret}", $"Run: chmod 600 {secret.FilePath}"));
        }
    }

    /// <summary>Whether this process would leave a core with its keys and prompts on the disk; null where the system doesn't say.</summary>
    public static bool? MayDumpCore()
    {
        const string limits = "/proc/self/limits", name = "Max core file size";
        if (!File.Exists(limits))
        {
            return null;
        }

        // Name, soft limit, hard limit and unit, in columns.
        string? line = File.ReadLines(limits).FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal));
        return line is null ? null : !line.AsSpan(name.Length).TrimStart().StartsWith("0 ", StringComparison.Ordinal);
    }
}
