namespace Tacit.Hosting;

/// <summary>What a role is run for. Decides about what helps while one builds a client and has no place anywhere else.</summary>
public enum Profile
{
    /// <summary>Refuses plain HTTP from other machines and secrets that everyone can read (<see cref="ProductionRules"/>).</summary>
    Production,

    /// <summary>Refuses none of that, and has the debug echo: see docs/operating.md.</summary>
    Development,
}
