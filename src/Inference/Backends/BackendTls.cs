using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Tacit.Inference;

/// <summary>
/// Whom a backend behind <c>https</c> is believed to be, and who this gateway is to it. The files are looked at every few seconds and taken up when they
/// changed, for connections from then on.
/// </summary>
public sealed record BackendTls
{
    /// <summary>PEM file with the only roots that the backend's certificate may lead to. Null: those of the system.</summary>
    public string? CaFile { get; init; }

    /// <summary>PEM file with the certificate that is shown to the backend, then those above it. Null: none is shown.</summary>
    public string? ClientCertificateFile { get; init; }

    /// <summary>Gives the private key of that certificate, in PEM and not encrypted. Called at each load; what it returns is wiped.</summary>
    public Func<byte[]>? ClientKey { get; init; }

    internal void Validate(string at)
    {
        InferenceOptions.Require(CaFile is null or { Length: > 0 }, $"{at}:CaFile", "name a PEM file, or leave it out");
        InferenceOptions.Require(ClientCertificateFile is null == ClientKey is null, $"{at}:ClientCertificate", "give ClientCertificate and ClientKey, both or neither");
        _ = BackendCertificates.Load(this, at);
    }
}

/// <summary>What the files of a <see cref="BackendTls"/> hold at one moment.</summary>
internal sealed class BackendCertificates
{
    public X509Certificate2Collection? Roots { get; private init; }

    public SslStreamCertificateContext? Client { get; private init; }

    /// <exception cref="ArgumentException">A file cannot be used; the message names it.</exception>
    public static BackendCertificates Load(BackendTls files, string at) => new()
    {
        Roots = files.CaFile is null ? null : LoadPem(files.CaFile, $"{at}:CaFile"),
        Client = files.ClientCertificateFile is null ? null : LoadClient(files, at),
    };

    private static SslStreamCertificateContext LoadClient(BackendTls files, string at)
    {
        X509Certificate2Collection chain = LoadPem(files.ClientCertificateFile!, $"{at}:ClientCertificate");
        byte[] pem = files.ClientKey!();
        char[] text = new char[pem.Length];
        try
        {
            int length = Encoding.Latin1.GetChars(pem, text);
            X509Certificate2 certificate = X509Certificate2.CreateFromPem(chain[0].ExportCertificatePem(), text.AsSpan(0, length));
            chain[0].Dispose();
            chain.RemoveAt(0);
            // Offline: building the chain must not make this process fetch anything.
            return SslStreamCertificateContext.Create(certificate, chain, offline: true);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw Wrong($"{at}:ClientKey", $"give the private key of {files.ClientCertificateFile}, in PEM and not encrypted");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pem);
            Array.Clear(text);
        }
    }

    private static X509Certificate2Collection LoadPem(string path, string at)
    {
        X509Certificate2Collection certificates = [];
        try
        {
            certificates.ImportFromPemFile(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Wrong(at, $"{path} cannot be read as PEM");
        }

        return certificates.Count > 0 ? certificates : throw Wrong(at, $"{path} holds no certificate");
    }

    private static ArgumentException Wrong(string setting, string fix) => new($"Inference setting {setting} is wrong: {fix}.");
}
