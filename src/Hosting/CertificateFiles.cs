using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Tacit.Hosting;

/// <summary>
/// A certificate and its key as files that something else renews. They are looked at every few seconds and taken up when they changed, for handshakes from
/// then on; connections that stand keep theirs. A pair that does not fit (it is being written) changes nothing, is told once, and is tried again.
/// </summary>
/// <remarks>
/// Looked at rather than watched: renewal tools swap links (<c>live/</c> of certbot, mounted secrets), which a watch on the folder does not see, and network
/// file systems tell of nothing. Two calls of <c>fstat</c> every few seconds cost nothing that can be measured.
/// </remarks>
internal sealed partial class CertificateFiles : IDisposable
{
    internal static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly TlsOptions _options;
    private readonly string _role;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private SslStreamCertificateContext _current;
    private Stamp _taken;
    private Stamp _refused;

    /// <exception cref="SettingsException">The pair cannot be used; the message names the file.</exception>
    public CertificateFiles(TlsOptions options, string role, TimeProvider time, ILogger log)
    {
        _options = options;
        _role = role;
        _log = log;
        // The stamp first: what is written between the two reads is then seen as a change.
        _taken = Stamp.Of(options);
        _current = Load(options);
        _timer = time.CreateTimer(static files => ((CertificateFiles)files!).Look(), this, Interval, Interval);
    }

    /// <summary>What to answer handshakes with now.</summary>
    public SslStreamCertificateContext Current => Volatile.Read(ref _current);

    internal static SslStreamCertificateContext Load(TlsOptions options)
    {
        X509Certificate2Collection chain = [];
        try
        {
            chain.ImportFromPemFile(options.Certificate!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Unusable("Tls:Certificate", $"{options.Certificate} cannot be read as PEM", "Name a file that this user can read, with the server's certificate first.");
        }

        if (chain.Count == 0)
        {
            throw Unusable("Tls:Certificate", $"{options.Certificate} holds no certificate", "Name the PEM file with the server's certificate and those above it.");
        }

        using SecretBytes pem = options.Key!.Load("Tls:Key");
        char[] text = new char[pem.Span.Length];
        try
        {
            int length = Encoding.Latin1.GetChars(pem.Span, text);
            X509Certificate2 certificate = X509Certificate2.CreateFromPem(chain[0].ExportCertificatePem(), text.AsSpan(0, length));
            chain[0].Dispose();
            chain.RemoveAt(0);
            // Offline: building the chain must not make this process fetch anything.
            return SslStreamCertificateContext.Create(certificate, chain, offline: true);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw Unusable("Tls:Key", $"{options.Key} is not the private key of {options.Certificate}", "Point both to the same pair; the key is PEM and not encrypted.");
        }
        finally
        {
            Array.Clear(text);
        }
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>Takes a changed pair up. The one before is left to the collector: a handshake may still be at it.</summary>
    internal void Look()
    {
        if (!_gate.TryEnter())
        {
            return;
        }

        try
        {
            Stamp now = Stamp.Of(_options);
            if (now == _taken)
            {
                return;
            }

            try
            {
                SslStreamCertificateContext renewed = Load(_options);
                Volatile.Write(ref _current, renewed);
                _taken = now;
                DateOnly until = DateOnly.FromDateTime(renewed.TargetCertificate.NotAfter.ToUniversalTime());
                LogTaken(_log, _role, until);
            }
            catch (SettingsException e)
            {
                if (now != _refused)
                {
                    _refused = now;
                    LogRefused(_log, _role, e.Message);
                }
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    private static SettingsException Unusable(string key, string problem, string fix) => new(new SettingsProblem(key, problem, fix));

    [LoggerMessage(Level = LogLevel.Information, Message = "The {Role} took up a renewed certificate, good until {Until:yyyy-MM-dd}.")]
    private static partial void LogTaken(ILogger log, string role, DateOnly until);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The {Role} goes on with the certificate it has; the new files cannot be used: {Fault}")]
    private static partial void LogRefused(ILogger log, string role, string fault);

    /// <summary>Tells one state of the two files from another. Of the open files, so that links are followed all the way.</summary>
    private readonly record struct Stamp(DateTime Certificate, long CertificateLength, DateTime Key, long KeyLength)
    {
        public static Stamp Of(TlsOptions options)
        {
            (DateTime certificate, long certificateLength) = OfFile(options.Certificate!);
            (DateTime key, long keyLength) = options.Key!.FilePath is string path ? OfFile(path) : default;
            return new Stamp(certificate, certificateLength, key, keyLength);
        }

        private static (DateTime Written, long Length) OfFile(string path)
        {
            try
            {
                using SafeFileHandle file = File.OpenHandle(path);
                return (File.GetLastWriteTimeUtc(file), RandomAccess.GetLength(file));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return default;
            }
        }
    }
}
