using Tacit.Client.Evidence;
using Tacit.Protocol;

namespace Tacit.Client.Tests.Evidence;

public sealed class SevSnpTests : IDisposable
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 21, 0, 0, 0, TimeSpan.Zero);
    private static readonly byte[] s_config = SealingKey.EncodeConfig(1, new byte[32]);

    private readonly TestSnpChip _chip = new();

    public void Dispose() => _chip.Dispose();

    [Fact]
    public void Report_of_a_real_chip_is_genuine_and_about_what_its_guest_asked_for()
    {
        // Everything but the last question is answered well: this guest attested something of its own.
        EvidenceFinding finding = new SevSnpVerifier().Verify(Published(), s_config, s_now);

        Assert.Equal((null, "the report is about another key"), (finding.Measurement, finding.Says));
    }

    [Fact]
    public void Report_of_a_real_chip_with_any_part_changed_is_not()
    {
        var verifier = new SevSnpVerifier();
        foreach (int at in (int[])[0x08, 0x50, 0x90, 0x180, 0x1A0, 0x29F, 0x2A0, 0x2E8])
        {
            byte[] changed = Published();
            changed[at] ^= 1;
            string says = verifier.Verify(changed, s_config, s_now).Says;
            Assert.True(says == "the chip did not sign the report", $"{at:x}: {says}");
        }

        Assert.Equal("its certificates do not lead to AMD's root", verifier.Verify(Published(), s_config, s_now.AddYears(5)).Says);
    }

    [Fact]
    public void Key_of_a_genuine_machine_is_found_with_its_measurement()
    {
        EvidenceFinding finding = Verify(_chip.Evidence(s_config));
        byte[] encoded = [.. _chip.Report(s_config), .. _chip.CreateVcek(s_now.AddYears(1), isEncoded: true), .. _chip.Ask, .. _chip.Ark];

        Assert.Equal(_chip.Measurement, finding.Measurement);
        Assert.Equal(_chip.Measurement, Verify(encoded).Measurement);
        Assert.Contains("Test-B0", finding.Says, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Flaws => new()
    {
        { "debug", "the host may look into the machine (debugging is allowed)" },
        { "migration", "the host may let a program of its own take the machine's memory elsewhere (migration is allowed)" },
        { "other key", "the report is about another key" },
        { "other chip", "the certificate is another chip's than the report" },
        { "older firmware", "the certificate is for other security versions than the report" },
        { "unsigned", "the chip did not sign the report" },
        { "vlek", "it is not signed by a chip's own key" },
        { "other chip's certificate", "the certificate is another chip's than the report" },
        { "other version's certificate", "the certificate is for other security versions than the report" },
        { "expired", "its certificates do not lead to AMD's root" },
        { "foreign ask", "its certificates do not lead to AMD's root" },
        { "foreign root", "its root is not AMD's for a chip that is known here" },
        { "no root", "its certificates cannot be read" },
        { "one too many", "its certificates cannot be read" },
        { "no report", "it does not begin with an attestation report that is known here" },
        { "other algorithm", "it does not begin with an attestation report that is known here" },
        { "signature out of range", "it does not begin with an attestation report that is known here" },
    };

    [Theory]
    [MemberData(nameof(Flaws))]
    public void Evidence_with_one_flaw_shows_nothing(string flaw, string says)
    {
        using TestSnpChip other = new();
        byte[] report = _chip.Report(s_config);
        byte[] evidence = flaw switch
        {
            "debug" => _chip.Evidence(s_config, report => report[0x0A] |= 8),
            "migration" => _chip.Evidence(s_config, report => report[0x0A] |= 4),
            "other key" => _chip.Evidence(SealingKey.EncodeConfig(2, new byte[32])),
            "other chip" => _chip.Evidence(s_config, report => report[0x1A0] ^= 1),
            "older firmware" => _chip.Evidence(s_config, report => report[0x187]--),
            "unsigned" => [.. other.Report(s_config, report => _chip.Report(s_config).AsSpan(0x180, 0x80).CopyTo(report.AsSpan(0x180))), .. _chip.Vcek, .. _chip.Ask, .. _chip.Ark],
            "vlek" => _chip.Evidence(s_config, report => report[0x48] = 1 << 2),
            "other chip's certificate" => [.. report, .. _chip.CreateVcek(s_now.AddYears(1), chipId: new byte[64]), .. _chip.Ask, .. _chip.Ark],
            "other version's certificate" => [.. report, .. _chip.CreateVcek(s_now.AddYears(1), microcode: 114), .. _chip.Ask, .. _chip.Ark],
            "expired" => [.. report, .. _chip.CreateVcek(s_now.AddDays(-1)), .. _chip.Ask, .. _chip.Ark],
            "foreign ask" => [.. report, .. _chip.Vcek, .. other.Ask, .. _chip.Ark],
            "foreign root" => [.. report, .. _chip.Vcek, .. _chip.Ask, .. other.Ark],
            "no root" => [.. report, .. _chip.Vcek, .. _chip.Ask],
            "one too many" => [.. _chip.Evidence(s_config), .. _chip.Ark],
            "no report" => [.. report[..^1]],
            "other algorithm" => _chip.Evidence(s_config, report => report[0x34] = 2),
            _ => Change(_chip.Evidence(s_config), evidence => evidence[0x2A0 + 71] = 1),
        };

        EvidenceFinding finding = Verify(evidence);

        Assert.Equal((null, says), (finding.Measurement, finding.Says));
    }

    [Fact]
    public void Bytes_of_any_kind_are_judged_without_a_fault()
    {
        byte[] good = _chip.Evidence(s_config);
        var random = new Tacit.Fuzz.Xoshiro(20261121);
        int rounds = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 20_000 : 300;
        for (int i = 0; i < rounds; i++)
        {
            byte[] changed = [.. good];
            changed[random.Below(changed.Length)] ^= (byte)(1 + random.Below(255));
            EvidenceFinding finding = Verify(changed[..(i % 3 == 0 ? random.Below(changed.Length) : changed.Length)]);
            Assert.True(finding.Says.Length > 0);
        }
    }

    [Fact]
    public void Policy_decides_what_is_done_with_what_the_evidence_shows()
    {
        SealingKey bare = Key(null);
        SealingKey attested = Key(_chip.Evidence(s_config));
        SealingKey forged = Key(_chip.Evidence(s_config, report => report[0x0A] |= 8));
        string measurement = Convert.ToHexStringLower(_chip.Measurement);

        foreach (SealingKey key in (SealingKey[])[bare, attested, forged])
        {
            Assert.Equal((key, null), (Judge(EvidencePolicy.Ignore, measurement, key).Key, Judge(EvidencePolicy.Ignore, measurement, key).Says));
            Assert.Same(key, Judge(EvidencePolicy.Show, measurement, key).Key);
            Assert.NotNull(Judge(EvidencePolicy.Show, measurement, key).Says);
        }

        Assert.Equal(SealingKeyProblem.EvidenceMissing, Judge(EvidencePolicy.Require, measurement, bare).Problem);
        Assert.Equal(SealingKeyProblem.EvidenceRefused, Judge(EvidencePolicy.Require, measurement, forged).Problem);
        Assert.Equal(SealingKeyProblem.EvidenceRefused, Judge(EvidencePolicy.Require, new string('0', 96), attested).Problem);
        Assert.Equal(SealingKeyProblem.EvidenceRefused, Judge(EvidencePolicy.Require, null, attested).Problem);
        Assert.Equal(SealingKeyProblem.EvidenceRefused, Judge(EvidencePolicy.Require, measurement, attested with { Evidence = new KeyEvidence("other", new byte[1]) }).Problem);
        Assert.Same(attested, Judge(EvidencePolicy.Require, measurement, attested).Key);
    }

    private static byte[] Published() => [.. PublishedSnpReport.Report, .. PublishedSnpReport.Vcek, .. PublishedSnpReport.Ask, .. PublishedSnpReport.Ark];

    private static byte[] Change(byte[] bytes, Action<byte[]> change)
    {
        change(bytes);
        return bytes;
    }

    private static SealingKey Key(byte[]? evidence) => new()
    {
        Gateway = "gateway.test", Config = s_config, NotBefore = s_now, NotAfter = s_now.AddDays(1), Evidence = evidence is null ? null : new KeyEvidence("sev-snp", evidence),
    };

    private SealingKeyChoice Judge(EvidencePolicy policy, string? measurement, SealingKey key) => new EvidenceJudge(
        new EvidenceOptions { Policy = policy, Measurements = measurement is null ? [] : [measurement] }, [new SevSnpVerifier([_chip.Root])]).Judge(key, s_now);

    private EvidenceFinding Verify(byte[] evidence) => new SevSnpVerifier([_chip.Root]).Verify(evidence, s_config, s_now);
}
