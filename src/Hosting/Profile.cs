namespace Tacit.Hosting;

/// <summary>What a role is run for. Decides about what helps while one builds a client and has no place anywhere else.</summary>
public enum Profile
{
    Production,

    /// <summary>As in <see cref="Production"/>, and with the debug echo: see docs/operating.md.</summary>
    Development,
}
