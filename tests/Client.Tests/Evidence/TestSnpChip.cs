using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Tacit.Client.Tests.Evidence;

/// <summary>A chip of the test's own, and a root above it: everything that AMD's have, so that each part can be wrong alone.</summary>
internal sealed class TestSnpChip : IDisposable
{
    private static readonly DateTimeOffset s_from = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_until = new(2045, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly RSA _ark = RSA.Create(2048);
    private readonly RSA _ask = RSA.Create(2048);
    private readonly ECDsa _vcek = ECDsa.Create(ECCurve.NamedCurves.nistP384);
    private readonly byte[] _chipId = RandomNumberGenerator.GetBytes(64);
    private readonly byte[] _versions = [3, 0, 0, 0, 0, 0, 8, 115];

    public TestSnpChip()
    {
        Ark = Issue("ARK-Test", new CertificateRequest("CN=ARK-Test", _ark, HashAlgorithmName.SHA384, RSASignaturePadding.Pss), "CN=ARK-Test", _ark, isAuthority: true, s_until);
        Ask = Issue("SEV-Test", new CertificateRequest("CN=SEV-Test", _ask, HashAlgorithmName.SHA384, RSASignaturePadding.Pss), "CN=ARK-Test", _ark, isAuthority: true, s_until);
        Vcek = CreateVcek(s_until);
    }

    public byte[] Ark { get; }

    public byte[] Ask { get; }

    public byte[] Vcek { get; }

    public byte[] Measurement { get; } = RandomNumberGenerator.GetBytes(48);

    /// <summary>What a verifier pins.</summary>
    public string Root => Convert.ToHexStringLower(SHA256.HashData(_ark.ExportSubjectPublicKeyInfo()));

    public byte[] CreateVcek(DateTimeOffset until, byte[]? chipId = null, byte? microcode = null, bool isEncoded = false)
    {
        var request = new CertificateRequest("CN=SEV-VCEK", _vcek, HashAlgorithmName.SHA384);
        byte[] id = chipId ?? _chipId;
        Add(request, "1", Integer(0));
        Add(request, "2", Encoded(writer => writer.WriteCharacterString(UniversalTagNumber.IA5String, "Test-B0")));
        Add(request, "3.1", Integer(_versions[0]));
        Add(request, "3.2", Integer(_versions[1]));
        Add(request, "3.3", Integer(_versions[6]));
        Add(request, "3.8", Integer(microcode ?? _versions[7]));
        Add(request, "4", isEncoded ? Encoded(writer => writer.WriteOctetString(id)) : id);
        return Issue("SEV-VCEK", request, "CN=SEV-Test", _ask, isAuthority: false, until);
    }

    /// <summary>A report as the secure processor writes it.</summary>
    /// <param name="config">What the guest put in: its hash.</param>
    /// <param name="change">Done before it is signed.</param>
    public byte[] Report(ReadOnlySpan<byte> config, Action<byte[]>? change = null)
    {
        byte[] report = new byte[1184];
        BinaryPrimitives.WriteUInt32LittleEndian(report, 2);
        BinaryPrimitives.WriteUInt64LittleEndian(report.AsSpan(0x08), 0x30000);
        BinaryPrimitives.WriteUInt32LittleEndian(report.AsSpan(0x34), 1);
        SHA512.HashData(config, report.AsSpan(0x50));
        Measurement.CopyTo(report, 0x90);
        _versions.CopyTo(report, 0x180);
        _chipId.CopyTo(report, 0x1A0);
        change?.Invoke(report);
        byte[] signature = _vcek.SignData(report.AsSpan(0, 0x2A0), HashAlgorithmName.SHA384, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        for (int part = 0; part < 2; part++)
        {
            byte[] number = signature.AsSpan(part * 48, 48).ToArray();
            Array.Reverse(number);
            number.CopyTo(report, 0x2A0 + (part * 72));
        }

        return report;
    }

    public byte[] Evidence(ReadOnlySpan<byte> config, Action<byte[]>? change = null) => [.. Report(config, change), .. Vcek, .. Ask, .. Ark];

    public void Dispose()
    {
        _ark.Dispose();
        _ask.Dispose();
        _vcek.Dispose();
    }

    private static byte[] Issue(string name, CertificateRequest request, string issuer, RSA issuerKey, bool isAuthority, DateTimeOffset until)
    {
        if (isAuthority)
        {
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        }

        using X509Certificate2 certificate = request.Create(
            new X500DistinguishedName(issuer), X509SignatureGenerator.CreateForRSA(issuerKey, RSASignaturePadding.Pss), s_from, until, SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(name)));
        return certificate.RawData;
    }

    private static void Add(CertificateRequest request, string oid, byte[] value) =>
        request.CertificateExtensions.Add(new X509Extension("1.3.6.1.4.1.3704.1." + oid, value, critical: false));

    private static byte[] Integer(int value) => Encoded(writer => writer.WriteInteger(value));

    private static byte[] Encoded(Action<AsnWriter> write)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        write(writer);
        return writer.Encode();
    }
}
