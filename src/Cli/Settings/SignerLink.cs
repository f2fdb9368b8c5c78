using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Signer;

namespace Tacit.Cli.Settings;

/// <summary>How an issuer or a gateway reaches the signer: the group <c>Signer</c> of its settings.</summary>
internal sealed record SignerLink
{
    /// <summary><c>unix:/path</c>, <c>https://host:port</c>, or <c>http://</c> to a loopback address. Default: the signer's socket in the same data folder.</summary>
    public string? Address { get; init; }

    /// <summary>The key that both share, at least 16 bytes.</summary>
    public SecretReference? Key { get; init; }

    /// <summary>PEM file with the only certificates that the signer's may be or lead to, where it is not one that the whole world trusts. Default: those of the system.</summary>
    public string? TrustedCertificate { get; init; }

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <exception cref="SettingsException">There is no key, or no such address.</exception>
    public InternalChannelClient Connect(string dataFolder, TimeProvider time)
    {
        if (Key is null)
        {
            throw new SettingsException(new SettingsProblem(
                "Signer:Key", "the key shared with the signer is not set",
                "Make one with: openssl rand -base64 32, and point Signer:Key here and InternalKey of the signer to it, as env:NAME or file:PATH."));
        }
        using SecretBytes key = Key.Load("Signer:Key");
        return new InternalChannelClient(
            Address ?? "unix:" + Path.Combine(dataFolder, SignerOptions.DefaultSocketName), SignerServer.InternalPath, key, SignerWire.MaxResponseSizeInBytes, Timeout, time, "Signer:Address",
            TrustedCertificate is null ? null : LoadRoots(TrustedCertificate));
    }

    private static X509Certificate2Collection LoadRoots(string path)
    {
        X509Certificate2Collection roots = [];
        try
        {
            roots.ImportFromPemFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            // Told below.
        }
        return roots.Count > 0
            ? roots
            : throw new SettingsException(new SettingsProblem("Signer:TrustedCertificate", $"{path} holds no certificate that can be read", "Name the signer's certificate, or its root's, in PEM."));
    }
}
