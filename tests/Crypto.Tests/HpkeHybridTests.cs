using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json;
using FsCheck.Fluent;

namespace Tacit.Crypto.Tests;

/// <summary>The hybrid KEM, where libcrypto has ML-KEM. Where it has not, the last test (soak) runs the others on a system that does.</summary>
public sealed class HpkeHybridTests
{
    private const string Lacking = "This libcrypto has no ML-KEM (OpenSSL 3.5).";

    private static readonly HpkeSuite[] s_suites =
        [HpkeSuite.MLKem768X25519Aes128Gcm, HpkeSuite.MLKem768X25519Aes256Gcm, HpkeSuite.MLKem768X25519ChaCha20Poly1305];

    [Fact]
    public void Working_groups_vectors_replay()
    {
        Assert.SkipUnless(s_suites[0].IsSupported, Lacking);
        JsonElement[] vectors = [.. Vectors.Read("hpke-pq-hybrid/draft_ietf_hpke_pq.json").Where(vector => vector.GetProperty("kem_id").GetInt32() == 0x647a)];
        Assert.Equal(2, vectors.Length);
        foreach (JsonElement vector in vectors)
        {
            if (vector.GetProperty("kdf_id").GetInt32() == 0x0001)
            {
                HpkeReplay.Run(vector);
                continue;
            }

            // Under the one-stage KDFs, which no suite of ours has, the KEM is the same.
            using HpkePrivateKey key = HpkePrivateKey.Derive(s_suites[0], vector.Bytes("ikmR"));
            Assert.Equal(vector.Bytes("pkRm"), key.PublicKey.Export());
            byte[] secret = new byte[32];
            Assert.True(s_suites[0].Kem.TryDecapsulate(key, null, vector.Bytes("enc"), secret));
            Assert.Equal(vector.Bytes("shared_secret"), secret);
        }
    }

    [Fact]
    public void X_wing_appendix_c_replays()
    {
        Assert.SkipUnless(s_suites[0].IsSupported, Lacking);
        IReadOnlyList<JsonElement> vectors = Vectors.Read("xwing-kem/draft_connolly_cfrg_xwing_kem.json");
        Assert.Equal(3, vectors.Count);
        foreach (JsonElement vector in vectors)
        {
            using HpkePrivateKey key = HpkePrivateKey.Import(s_suites[0], vector.Bytes("seed"));
            Assert.Equal(vector.Bytes("pk"), key.PublicKey.Export());
            byte[] secret = new byte[32];
            Assert.True(s_suites[0].Kem.TryDecapsulate(key, null, vector.Bytes("ct"), secret));
            Assert.Equal(vector.Bytes("ss"), secret);

            byte[] made = new byte[s_suites[0].EncapsulatedKeySizeInBytes];
            Assert.True(s_suites[0].Kem.TryEncapsulate(key.PublicKey, null, vector.Bytes("eseed").AsSpan(32), made, secret));
            Assert.Equal(vector.Bytes("ct")[1088..], made[1088..]);
        }
    }

    [Fact]
    public void Any_message_opens_and_any_flipped_bit_fails()
    {
        Assert.SkipUnless(s_suites[0].IsSupported, Lacking);
        Property.Holds(
            40,
            from index in Gen.Choose(0, s_suites.Length - 1)
            from isPsk in Gen.Elements(false, true)
            from plaintext in Property.BytesUpTo(500)
            from bit in Gen.Choose(0, int.MaxValue)
            select (s_suites[index], isPsk, plaintext, bit),
            run =>
            {
                (HpkeSuite suite, bool isPsk, byte[] plaintext, int bit) = run;
                using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
                using HpkePrivateKey other = HpkePrivateKey.Generate(suite);
                using HpkePsk? psk = isPsk ? new HpkePsk("name"u8, RandomNumberGenerator.GetBytes(32)) : null;
                byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
                byte[] ciphertext = new byte[plaintext.Length + suite.TagSizeInBytes];
                Assert.True(HpkePublicKey.TryImport(suite, key.PublicKey.Export(), out HpkePublicKey? publicKey));
                suite.Seal(publicKey, "info"u8, "data"u8, plaintext, encapsulated, ciphertext, psk);
                Assert.True(Opens(key, encapsulated, ciphertext));
                Assert.False(Opens(key, Property.FlipBit(encapsulated, bit % (8 * encapsulated.Length)), ciphertext));
                Assert.False(Opens(key, Property.FlipBit(encapsulated, (8 * 1088) + (bit % 256)), ciphertext));
                Assert.False(Opens(key, encapsulated, Property.FlipBit(ciphertext, bit % (8 * ciphertext.Length))));
                Assert.False(Opens(other, encapsulated, ciphertext));
                Assert.False(Opens(key, encapsulated[..^1], ciphertext));

                bool Opens(HpkePrivateKey with, byte[] enc, byte[] sealedBytes)
                {
                    byte[] opened = new byte[plaintext.Length];
                    bool isOpen = suite.TryOpen(with, enc, "info"u8, "data"u8, sealedBytes, opened, psk);
                    Assert.Equal(isOpen ? plaintext : new byte[opened.Length], opened);
                    return isOpen;
                }
            });
    }

    [Fact]
    public void Keys_that_cannot_be_are_refused()
    {
        HpkeSuite suite = HpkeSuite.MLKem768X25519ChaCha20Poly1305;
        Assert.SkipUnless(suite.IsSupported, Lacking);
        using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
        byte[] good = key.PublicKey.Export();
        Assert.Equal(1216, good.Length);
        Assert.True(HpkePublicKey.TryImport(suite, good, out _));
        Assert.False(HpkePublicKey.TryImport(suite, good.AsSpan(1), out _));
        Assert.False(HpkePublicKey.TryImport(suite, [.. good[..1184], .. new byte[32]], out _)); // small order
        Assert.False(HpkePublicKey.TryImport(suite, [0xff, 0xff, 0xff, .. good[3..]], out _)); // 4095 is beyond 3329
        byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
        using HpkeSender sender = suite.SetupSender(key.PublicKey, [], encapsulated);
        Assert.Null(suite.SetupRecipient(key, [.. encapsulated[..1088], .. new byte[32]], []));
        Assert.Throws<ArgumentException>(() => HpkeSuite.X25519ChaCha20Poly1305.SetupSender(key.PublicKey, [], new byte[32]));
        Assert.Throws<ArgumentException>(() => suite.SetupSender(key.PublicKey, [], null, key, encapsulated));
    }

    [Fact]
    public void Suites_are_found_exactly_where_they_are_supported()
    {
        foreach (HpkeSuite suite in s_suites)
        {
            Assert.Equal(MLKem.IsSupported, suite.IsSupported);
            Assert.Equal(suite.IsSupported, HpkeSuite.TryFind(0x647a, 0x0001, suite.AeadId, out HpkeSuite? found));
            Assert.Same(suite.IsSupported ? suite : null, found);
            if (!suite.IsSupported)
            {
                Assert.Throws<PlatformNotSupportedException>(() => HpkePrivateKey.Generate(suite));
            }
        }
    }

    /// <summary>On a Debian 13 made for the purpose, whose libcrypto is OpenSSL 3.5.</summary>
    [Fact]
    public async Task All_tests_and_hybrid_ones_elsewhere_pass_where_libcrypto_has_ml_kem()
    {
        Assert.SkipUnless(Property.IsSoak && !s_suites[0].IsSupported, "In the soak run, on a system without ML-KEM.");
        string script = Path.Combine(Path.GetDirectoryName(SourceFile())!, "../../build/debian13.sh");
        using Process process = Process.Start(new ProcessStartInfo("bash", [script, AppContext.BaseDirectory, Vectors.Folder()])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.SkipWhen(process.ExitCode == 77, errors);
        Assert.True(process.ExitCode == 0, errors + await output);
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
