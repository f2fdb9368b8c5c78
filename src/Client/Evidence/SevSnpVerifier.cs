using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Tacit.Client.Evidence;

/// <summary>
/// Evidence of format <c>sev-snp</c>: an attestation report (1184 bytes), and behind it three certificates in DER: the VCEK that signed it, the ASK and the ARK above that
/// (AMD publication 57230). The report's data are SHA-512 of the key configuration. Milan and Genoa chips; their root keys are pinned here. Revocation lists are not asked.
/// </summary>
internal sealed class SevSnpVerifier : IEvidenceVerifier
{
    private const string ProductOid = "1.3.6.1.4.1.3704.1.2";
    private const string ChipIdOid = "1.3.6.1.4.1.3704.1.4";
    private const int Certificates = 3;

    /// <summary>Where a security version stands in the report's TCB, and in which extension of the VCEK.</summary>
    private static readonly (int Index, string Oid)[] s_versions =
    [
        (0, "1.3.6.1.4.1.3704.1.3.1"), (1, "1.3.6.1.4.1.3704.1.3.2"), (6, "1.3.6.1.4.1.3704.1.3.3"), (7, "1.3.6.1.4.1.3704.1.3.8"),
    ];

    /// <summary>SHA-256 of the SubjectPublicKeyInfo of ARK-Milan and ARK-Genoa, as https://kdsintf.amd.com/vcek/v1/{Milan,Genoa}/cert_chain serves them.</summary>
    private static readonly string[] s_roots =
    [
        "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9",
        "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831",
    ];

    private readonly IReadOnlyCollection<string> _roots;

    public SevSnpVerifier()
        : this(s_roots)
    {
    }

    /// <param name="roots">Other roots than AMD's, for tests: SHA-256 of SubjectPublicKeyInfo, in lower-case hexadecimal digits.</param>
    internal SevSnpVerifier(IReadOnlyCollection<string> roots)
    {
        _roots = roots;
    }

    /// <inheritdoc />
    public string Format => "sev-snp";

    /// <inheritdoc />
    public EvidenceFinding Verify(ReadOnlyMemory<byte> evidence, ReadOnlyMemory<byte> config, DateTimeOffset now)
    {
        if (evidence.Length < SevSnpReport.SizeInBytes || !SevSnpReport.TryParse(evidence.Span[..SevSnpReport.SizeInBytes], out SevSnpReport? report))
        {
            return EvidenceFinding.Nothing("it does not begin with an attestation report that is known here");
        }

        List<X509Certificate2> chain = [];
        try
        {
            return TryReadCertificates(evidence[SevSnpReport.SizeInBytes..], chain)
                ? EvidenceFindingOf(report, chain, config.Span, now)
                : EvidenceFinding.Nothing("its certificates cannot be read");
        }
        catch (CryptographicException)
        {
            return EvidenceFinding.Nothing("its certificates cannot be used");
        }
        finally
        {
            chain.ForEach(certificate => certificate.Dispose());
        }
    }

    private EvidenceFinding EvidenceFindingOf(SevSnpReport report, List<X509Certificate2> chain, ReadOnlySpan<byte> config, DateTimeOffset now)
    {
        (X509Certificate2 vcek, X509Certificate2 ask, X509Certificate2 ark) = (chain[0], chain[1], chain[2]);
        string? fault =
            !_roots.Contains(Convert.ToHexStringLower(SHA256.HashData(ark.PublicKey.ExportSubjectPublicKeyInfo()))) ? "its root is not AMD's for a chip that is known here"
            : !IsChain(vcek, ask, ark, now) ? "its certificates do not lead to AMD's root"
            : report.SigningKey != 0 ? "it is not signed by a chip's own key"
            : !IsSignedBy(report, vcek) ? "the chip did not sign the report"
            : FindTcbFault(report, vcek)
                ?? (!report.ReportData.SequenceEqual(SHA512.HashData(config)) ? "the report is about another key"
                : report.AllowsDebugging ? "the host may look into the machine (debugging is allowed)"
                : report.AllowsMigration ? "the host may let a program of its own take the machine's memory elsewhere (migration is allowed)"
                : null);
        return fault is null
            ? new EvidenceFinding(report.Measurement.ToArray(), $"made in an AMD SEV-SNP machine ({ProductOf(vcek)}) without debugging or migration")
            : EvidenceFinding.Nothing(fault);
    }

    private static bool TryReadCertificates(ReadOnlyMemory<byte> rest, List<X509Certificate2> chain)
    {
        while (!rest.IsEmpty && chain.Count < Certificates)
        {
            if (!AsnDecoder.TryReadEncodedValue(rest.Span, AsnEncodingRules.DER, out _, out _, out _, out int size))
            {
                return false;
            }

            chain.Add(X509CertificateLoader.LoadCertificate(rest.Span[..size]));
            rest = rest[size..];
        }

        return rest.IsEmpty && chain.Count == Certificates;
    }

    private static bool IsChain(X509Certificate2 vcek, X509Certificate2 ask, X509Certificate2 ark, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(ark);
        chain.ChainPolicy.ExtraStore.Add(ask);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        bool isValid = chain.Build(vcek);
        bool isOurs = chain.ChainElements.Count == Certificates && chain.ChainElements[1].Certificate.RawDataMemory.Span.SequenceEqual(ask.RawDataMemory.Span);
        foreach (X509ChainElement element in chain.ChainElements)
        {
            element.Certificate.Dispose();
        }

        return isValid && isOurs;
    }

    private static bool IsSignedBy(SevSnpReport report, X509Certificate2 vcek)
    {
        using ECDsa? key = vcek.GetECDsaPublicKey();
        Span<byte> signature = stackalloc byte[96];
        return key is { KeySize: 384 } && report.TryReadSignature(signature)
            && key.VerifyData(report.SignedBytes, signature, HashAlgorithmName.SHA384, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    /// <summary>The VCEK is derived for one chip and one set of security versions: both must be the report's.</summary>
    private static string? FindTcbFault(SevSnpReport report, X509Certificate2 vcek)
    {
        if (ExtensionOf(vcek, ChipIdOid) is not byte[] chip || !OctetsOf(chip).SequenceEqual(report.ChipId))
        {
            return "the certificate is another chip's than the report";
        }

        foreach ((int index, string oid) in s_versions)
        {
            if (ExtensionOf(vcek, oid) is not byte[] version || !TryReadVersion(version, out int value) || value != report.ReportedTcb[index])
            {
                return "the certificate is for other security versions than the report";
            }
        }

        return null;
    }

    private static string ProductOf(X509Certificate2 vcek)
    {
        try
        {
            string name = AsnDecoder.ReadCharacterString(ExtensionOf(vcek, ProductOid), AsnEncodingRules.DER, UniversalTagNumber.IA5String, out _);
            return name.Length <= 32 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') ? name : "unnamed chip";
        }
        catch (AsnContentException)
        {
            return "unnamed chip";
        }
    }

    private static byte[]? ExtensionOf(X509Certificate2 certificate, string oid) =>
        certificate.Extensions.FirstOrDefault(extension => extension.Oid?.Value == oid)?.RawData;

    /// <summary>The chip's id stands there bare, or as an OCTET STRING, by the generation.</summary>
    private static ReadOnlySpan<byte> OctetsOf(byte[] value) =>
        value.Length == SevSnpReport.ChipIdSizeInBytes + 2 && value is [0x04, SevSnpReport.ChipIdSizeInBytes, ..] ? value.AsSpan(2) : value;

    private static bool TryReadVersion(byte[] value, out int version) => AsnDecoder.TryReadInt32(value, AsnEncodingRules.DER, out version, out int read) && read == value.Length;
}
