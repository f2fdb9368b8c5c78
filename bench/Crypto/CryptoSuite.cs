using System.Globalization;
using System.Security.Cryptography;
using Tacit.Bench.Harness;
using Tacit.Crypto;

namespace Tacit.Bench.Crypto;

/// <summary>Signing, verifying and blinding against what the same libcrypto does bare.</summary>
internal sealed class CryptoSuite : Suite
{
    private const int BatchSize = 100;

    private static readonly int[] s_junkPercents = [0, 1, 10, 50];
    private static readonly BlindRsaVariant s_variant = BlindRsaVariant.DeterministicPss;

    internal override string Name => "crypto";

    internal override string Summary => "signing, verifying, blinding; needs openssl and taskset";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        say("making keys");
        using BlindRsaPrivateKey plain = BlindRsaPrivateKey.Generate(2048);
        using PartiallyBlindRsaPrivateKey safe = await PartiallyBlindRsaPrivateKey.GenerateAsync(2048, null, cancellationToken);
        using BlindRsaPrivateKey derived = safe.DeriveKey("chat-large 2026-12"u8);
        using BareExponentiation bareShort = new(plain.PublicKey);
        using BareExponentiation bareLong = new(derived.PublicKey);

        SideBySide measured = new();
        double verifies = 0;
        List<double> verifyFigures = [];
        measured.Add("openssl sign", async token =>
        {
            (double signs, verifies) = await OpenSslSpeed.Rsa2048Async(effort.PerMeasurement, token);
            return signs;
        });
        measured.Add("openssl verify", _ => Task.FromResult(verifies)); // measured with the signs
        Add("sign 0x0002", 1, Sign(plain));
        Add("sign 0xDA7A", 1, Sign(derived));
        Add("batch 0xDA7A", BatchSize, SignBatch(derived));
        Add("verify 0x0002", 1, Verify(plain));
        Add("verify 0xDA7A", 1, Verify(derived));
        foreach (int junk in s_junkPercents)
        {
            Add(Together(junk), BlindRsaBatchVerifier.MaxCount, VerifyTogether(derived, junk));
        }

        Add("bare exponentiation e'", 1, bareLong.Raise);
        Add("bare exponentiation 65537", 1, bareShort.Raise);
        Add("bare inversion", 1, bareShort.Invert);
        Add("wallet 0x0002", 1, Wallet(plain));
        Add("wallet 0xDA7A", 1, Wallet(derived));
        await measured.RunAsync(effort.Rounds, say, cancellationToken);

        double opensslSigns = measured.Median("openssl sign");
        double opensslVerifies = measured.Median("openssl verify");
        string signReference = $"openssl speed rsa2048: {Format(opensslSigns)} signs/s";
        string verifyReference = $"openssl speed rsa2048: {Format(opensslVerifies)} verifies/s";
        return
        [
            Compare("blind sign 0x0002, checked", "sign 0x0002", "signs/s", signReference, opensslSigns, 0.9),
            Compare("blind sign 0xDA7A, plan key cached, checked, one", "sign 0xDA7A", "signs/s", signReference, opensslSigns, 0.5),
            Compare($"blind sign 0xDA7A, plan key cached, checked, batch of {BatchSize}", "batch 0xDA7A", "signs/s", signReference, opensslSigns, 0.85),
            Compare("verify 0x0002", "verify 0x0002", "verifies/s", verifyReference, opensslVerifies, 0.6),
            Compare(
                "verify 0xDA7A with the public key", "verify 0xDA7A", "verifies/s",
                $"bare libcrypto exponentiation, same exponent: {Format(measured.Median("bare exponentiation e'"))}/s",
                measured.Median("bare exponentiation e'"), 0.8),
            .. s_junkPercents.Select(junk => new Row(
                $"verify 0xDA7A, {BlindRsaBatchVerifier.MaxCount} waiting, with their salts{(junk == 0 ? "" : $", {junk}% false")}",
                measured.Median(Together(junk)), "verifies/s", $"one at a time: {Format(measured.Median("verify 0xDA7A"))}/s",
                measured.Median(Together(junk)) / measured.Median("verify 0xDA7A"), junk == 0 ? 5 : null, Row.Higher)),
            WalletRow("wallet 0x0002: blind + finalize + verify", "wallet 0x0002", "bare exponentiation 65537"),
            WalletRow("wallet 0xDA7A: blind + finalize + verify", "wallet 0xDA7A", "bare exponentiation e'"),
        ];

        void Add(string name, int operations, Action operation) =>
            measured.Add(name, _ => OneCore.RateAsync(operation, operations, effort.PerMeasurement));

        Row Compare(string name, string figure, string unit, string reference, double referenceFigure, double goal) => new(
            name, measured.Median(figure), unit, reference, measured.Median(figure) / referenceFigure, goal, Row.Higher);

        // Bound: raising the factor, checking the unblinded signature and verifying it are an exponentiation each; and one inversion.
        Row WalletRow(string name, string figure, string exponentiation)
        {
            double bound = 1 / ((3 / measured.Median(exponentiation)) + (1 / measured.Median("bare inversion")));
            return new(
                name, measured.Median(figure), "tokens/s", $"bound, 3 bare exponentiations and an inversion: {Format(bound)}/s",
                measured.Median(figure) / bound, null, Row.Higher);
        }
    }

    private static Action Sign(BlindRsaPrivateKey key)
    {
        byte[] blinded = Blinded(key);
        byte[] signature = new byte[key.ModulusSizeInBytes];
        return () => Require(key.BlindSign(blinded, signature) == BlindSignStatus.Success);
    }

    private static Action SignBatch(BlindRsaPrivateKey key)
    {
        ReadOnlyMemory<byte>[] blinded = [.. Enumerable.Range(0, BatchSize).Select(_ => new ReadOnlyMemory<byte>(Blinded(key)))];
        byte[] signatures = new byte[BatchSize * key.ModulusSizeInBytes];
        return () => Require(key.BlindSignBatch(blinded, signatures, out _) == BlindSignStatus.Success);
    }

    private static Action Verify(BlindRsaPrivateKey key)
    {
        byte[] message = Message();
        byte[] blinded = new byte[key.ModulusSizeInBytes];
        byte[] signature = new byte[key.ModulusSizeInBytes];
        using BlindingState state = key.PublicKey.Blind(s_variant, message, blinded);
        Require(key.BlindSign(blinded, signature) == BlindSignStatus.Success);
        byte[] final = new byte[key.ModulusSizeInBytes];
        Require(state.TryFinalize(signature, final));
        return () => Require(key.PublicKey.Verify(s_variant, message, final));
    }

    private static string Together(int junkPercent) => $"verify 0xDA7A together, {junkPercent}% junk";

    /// <summary>Every call gets other signatures, and false ones where chance puts them.</summary>
    private static Action VerifyTogether(BlindRsaPrivateKey key, int junkPercent)
    {
        const int kept = 512;
        SaltedSignature[] signatures = [.. Enumerable.Range(0, kept).Select(_ => Salted(key))];
        byte[] junk = RandomNumberGenerator.GetBytes(key.ModulusSizeInBytes);
        junk[0] = 0;
        BlindRsaBatchVerifier verifier = new(key.PublicKey, s_variant);
        SaltedSignature[] batch = new SaltedSignature[BlindRsaBatchVerifier.MaxCount];
        BatchVerdict[] verdicts = new BatchVerdict[batch.Length];
        int next = 0;
        return () =>
        {
            int falseOnes = 0;
            for (int i = 0; i < batch.Length; i++)
            {
                bool isJunk = RandomNumberGenerator.GetInt32(100) < junkPercent;
                batch[i] = isJunk ? signatures[next] with { Signature = junk } : signatures[next];
                next = (next + 1) % kept;
                falseOnes += isJunk ? 1 : 0;
            }

            // As a queue would: so many at once as the verifier asks for.
            for (int first = 0; first < batch.Length;)
            {
                int count = Math.Min(verifier.PreferredCount, batch.Length - first);
                verifier.Verify(batch.AsSpan(first, count), verdicts.AsSpan(first, count));
                first += count;
            }

            Require(verdicts.Count(verdict => verdict != BatchVerdict.Valid) == falseOnes);
        };
    }

    private static SaltedSignature Salted(BlindRsaPrivateKey key)
    {
        byte[] message = Message();
        byte[] seed = RandomNumberGenerator.GetBytes(BlindRsaPublicKey.SeedSizeInBytes);
        byte[] salt = new byte[s_variant.SaltSizeInBytes];
        BlindRsaPublicKey.DeriveSalt(seed, salt);
        byte[] blinded = new byte[key.ModulusSizeInBytes];
        byte[] answer = new byte[key.ModulusSizeInBytes];
        byte[] signature = new byte[key.ModulusSizeInBytes];
        using BlindingState state = key.PublicKey.Blind(s_variant, message, seed, blinded);
        Require(key.BlindSign(blinded, answer) == BlindSignStatus.Success && state.TryFinalize(answer, signature));
        return new SaltedSignature(message, signature, salt);
    }

    /// <summary>The signer's part is done beforehand: one seed gives one blinded message, so one answer serves all.</summary>
    private static Action Wallet(BlindRsaPrivateKey key)
    {
        byte[] message = Message();
        byte[] seed = RandomNumberGenerator.GetBytes(BlindRsaPublicKey.SeedSizeInBytes);
        byte[] blinded = new byte[key.ModulusSizeInBytes];
        byte[] answer = new byte[key.ModulusSizeInBytes];
        byte[] signature = new byte[key.ModulusSizeInBytes];
        key.PublicKey.Blind(s_variant, message, seed, blinded).Dispose();
        Require(key.BlindSign(blinded, answer) == BlindSignStatus.Success);
        return () =>
        {
            using BlindingState state = key.PublicKey.Blind(s_variant, message, seed, blinded);
            Require(state.TryFinalize(answer, signature));
            Require(key.PublicKey.Verify(s_variant, message, signature));
        };
    }

    private static byte[] Blinded(BlindRsaPrivateKey key)
    {
        byte[] blinded = new byte[key.ModulusSizeInBytes];
        key.PublicKey.Blind(s_variant, Message(), blinded).Dispose();
        return blinded;
    }

    /// <summary>As long as a token input (RFC 9578 §6.3).</summary>
    private static byte[] Message() => RandomNumberGenerator.GetBytes(98);

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new InvalidOperationException("The measured operation failed; its figure would mean nothing.");
        }
    }

    private static string Format(double value) => value.ToString("#,0", CultureInfo.InvariantCulture);
}
