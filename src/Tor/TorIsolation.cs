using System.Security.Cryptography;

namespace Tacit.Tor;

/// <summary>
/// Decides which connections may share a circuit: those of one isolation may, those of two never do. To Tor it is a SOCKS user name and password (RFC 1929)
/// under <c>IsolateSOCKSAuth</c>. A value is random and means nothing; it is known to this machine's Tor alone.
/// </summary>
public sealed class TorIsolation : IEquatable<TorIsolation>
{
    private TorIsolation(string userName, string password)
    {
        UserName = userName;
        Password = password;
    }

    /// <summary>32 lower-case hexadecimal digits: by it Tor's events tell whose a circuit is (<see cref="TorCircuit.SocksUserName"/>).</summary>
    public string UserName { get; }

    internal string Password { get; }

    /// <summary>A new one, equal to no other.</summary>
    public static TorIsolation Create() =>
        new(Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)), Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16)));

    public bool Equals(TorIsolation? other) => other is not null && UserName == other.UserName && Password == other.Password;

    public override bool Equals(object? obj) => Equals(obj as TorIsolation);

    public override int GetHashCode() => UserName.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => "[scrubbed]";
}
