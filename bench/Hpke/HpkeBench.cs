using System.Globalization;
using System.Security.Cryptography;
using Tacit.Bench.Harness;
using Tacit.Crypto;
using Tacit.Crypto.Hpke;

namespace Tacit.Bench.Hpke;

/// <summary>Sealing to a key and opening with it, against the scalar multiplications that this takes at least.</summary>
internal sealed class HpkeBench : Suite
{
    private const int MessageSize = 1024;
    private const double Goal = 1.5;

    internal override string Name => "hpke";

    internal override string Summary => "HPKE against bare X25519, and AEAD keys; the hybrid KEM where libcrypto has it";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        using BareX25519 bare = new();
        HpkeSuite hybrid = HpkeSuite.MLKem768X25519ChaCha20Poly1305;
        using HpkePrivateKey key = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
        using HpkePrivateKey? hybridKey = hybrid.IsSupported ? HpkePrivateKey.Generate(hybrid) : null;
        using AeadKey aead = new(HpkeSuite.X25519ChaCha20Poly1305.AeadId, RandomNumberGenerator.GetBytes(32));
        HpkeSuite[] suites = [HpkeSuite.X25519ChaCha20Poly1305, HpkeSuite.X25519Aes128Gcm];
        Dictionary<string, Action> measured = new()
        {
            ["base"] = bare.MultiplyBase,
            ["point"] = bare.Multiply,
            ["chunk"] = Chunk(aead),
        };
        foreach (HpkeSuite suite in suites)
        {
            measured["sender " + suite.AeadId] = Sender(suite, key.PublicKey);
            measured["recipient " + suite.AeadId] = Recipient(suite, key);
        }

        if (hybridKey is not null)
        {
            measured["hybrid sender"] = Sender(hybrid, hybridKey.PublicKey);
            measured["hybrid recipient"] = Recipient(hybrid, hybridKey);
        }

        SideBySide sideBySide = new();
        foreach ((string name, Action operation) in measured)
        {
            sideBySide.Add(name, _ => OneCore.RateAsync(operation, 1, effort.PerMeasurement));
        }

        await sideBySide.RunAsync(effort.Rounds, say, cancellationToken);
        double basePoint = Microseconds("base");
        double point = Microseconds("point");
        return
        [
            .. suites.SelectMany(suite => new[]
            {
                Compare($"HPKE, {NameOf(suite)}, sender: set up and seal 1 KiB", "sender " + suite.AeadId, "two scalar multiplications", basePoint + point, Goal),
                Compare($"HPKE, {NameOf(suite)}, recipient: set up and open 1 KiB", "recipient " + suite.AeadId, "one scalar multiplication", point, Goal),
            }),
            .. hybridKey is null ? (Row[])[] :
            [
                Compare("HPKE, with ML-KEM-768, sender: set up and seal 1 KiB", "hybrid sender", "two scalar multiplications", basePoint + point, null),
                Compare("HPKE, with ML-KEM-768, recipient: set up and open 1 KiB", "hybrid recipient", "one scalar multiplication", point, null),
            ],
            new Row("AEAD key, ChaCha20-Poly1305: seal 1 KiB", Microseconds("chunk"), "µs", Allocated(measured["chunk"]), null, null, Row.Lower),
        ];

        double Microseconds(string name) => 1e6 / sideBySide.Median(name);

        Row Compare(string name, string figure, string bound, double reference, double? goal) => new(
            name, Microseconds(figure), "µs",
            string.Create(CultureInfo.InvariantCulture, $"libcrypto's bare X25519, {bound}: {reference:0.0} µs; {Allocated(measured[figure])}"),
            Microseconds(figure) / reference, goal, Row.Lower);
    }

    private static string NameOf(HpkeSuite suite) => suite.AeadId == AeadCipher.ChaCha20Poly1305.Id ? "ChaCha20-Poly1305" : "AES-128-GCM";

    private static Action Sender(HpkeSuite suite, HpkePublicKey recipient)
    {
        byte[] info = RandomNumberGenerator.GetBytes(64);
        byte[] plaintext = RandomNumberGenerator.GetBytes(MessageSize);
        byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
        byte[] ciphertext = new byte[MessageSize + suite.TagSizeInBytes];
        return () => suite.Seal(recipient, info, default, plaintext, encapsulated, ciphertext);
    }

    private static Action Recipient(HpkeSuite suite, HpkePrivateKey key)
    {
        byte[] info = RandomNumberGenerator.GetBytes(64);
        byte[] plaintext = RandomNumberGenerator.GetBytes(MessageSize);
        byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
        byte[] ciphertext = new byte[MessageSize + suite.TagSizeInBytes];
        suite.Seal(key.PublicKey, info, default, plaintext, encapsulated, ciphertext);
        return () =>
        {
            if (!suite.TryOpen(key, encapsulated, info, default, ciphertext, plaintext))
            {
                throw new InvalidOperationException("The measured operation failed; its figure would mean nothing.");
            }
        };
    }

    private static Action Chunk(AeadKey key)
    {
        byte[] nonce = new byte[AeadKey.NonceSizeInBytes];
        byte[] plaintext = RandomNumberGenerator.GetBytes(MessageSize);
        byte[] ciphertext = new byte[MessageSize + AeadKey.TagSizeInBytes];
        return () => key.Seal(nonce, default, plaintext, ciphertext); // the nonce repeats: nobody sees these
    }

    private static string Allocated(Action operation)
    {
        const int calls = 100;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < calls; i++)
        {
            operation();
        }

        return string.Create(CultureInfo.InvariantCulture, $"{(GC.GetAllocatedBytesForCurrentThread() - before) / calls} managed bytes a call");
    }
}
