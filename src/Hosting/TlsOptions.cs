namespace Tacit.Hosting;

/// <summary>
/// HTTPS for a server of ours: the group <c>Tls</c> of its settings. Both or neither; without them it serves plain HTTP.
/// </summary>
public sealed record TlsOptions
{
    /// <summary>A PEM file: the server's certificate first, then those that lead from it to its root.</summary>
    public string? Certificate { get; init; }

    /// <summary>Its private key in PEM, not encrypted.</summary>
    public SecretReference? Key { get; init; }

    /// <summary>Whether HTTPS is served.</summary>
    internal bool IsOn => Certificate is not null && Key is not null;

    /// <summary>Records what is wrong with the two together; whether they can be read shows when the server starts.</summary>
    public void Validate(SettingsValidation validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation.Require(
            Certificate is null == Key is null, Certificate is null ? "Tls:Certificate" : "Tls:Key", "only one of certificate and key is set",
            "Set Tls:Certificate to a PEM file and Tls:Key to file:PATH of its key, or neither.");
    }

    /// <summary>Reads certificate and key once, to see that they can be and belong together. Does nothing where HTTPS is off.</summary>
    /// <exception cref="SettingsException">They cannot be used.</exception>
    public void Try()
    {
        if (IsOn)
        {
            CertificateFiles.Load(this).TargetCertificate.Dispose();
        }
    }
}
