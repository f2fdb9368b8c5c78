using System.Text.Json;
using Tacit.Crypto.Hpke;

namespace Tacit.Crypto.Tests;

/// <summary>Replays an entry of the CFRG's or the working group's HPKE test vectors, from both sides.</summary>
internal static class HpkeReplay
{
    internal static void Run(JsonElement vector)
    {
        Assert.True(HpkeSuite.TryFind(Id(vector, "kem_id"), Id(vector, "kdf_id"), Id(vector, "aead_id"), out HpkeSuite? suite));
        byte[] info = vector.Bytes("info");
        byte[] encapsulated = vector.Bytes("enc");
        int mode = vector.GetProperty("mode").GetInt32();
        using HpkePrivateKey key = HpkePrivateKey.Derive(suite, vector.Bytes("ikmR"));
        using HpkePrivateKey imported = HpkePrivateKey.Import(suite, vector.Bytes("skRm"));
        Assert.Equal(vector.Bytes("pkRm"), key.PublicKey.Export());
        Assert.Equal(vector.Bytes("pkRm"), imported.PublicKey.Export());
        using HpkePrivateKey? senderKey = mode >= 2 ? HpkePrivateKey.Derive(suite, vector.Bytes("ikmS")) : null;
        using HpkePsk? psk = mode % 2 == 1 ? new HpkePsk(vector.Bytes("psk_id"), vector.Bytes("psk")) : null;
        if (senderKey is not null)
        {
            Assert.Equal(vector.Bytes("pkSm"), senderKey.PublicKey.Export());
        }

        byte[] sharedSecret = new byte[32];
        Assert.True(suite.Kem.TryDecapsulate(imported, senderKey?.PublicKey, encapsulated, sharedSecret));
        Assert.Equal(vector.Bytes("shared_secret"), sharedSecret);

        Assert.True(HpkePublicKey.TryImport(suite, vector.Bytes("pkRm"), out HpkePublicKey? publicKey));
        byte[] made = new byte[suite.EncapsulatedKeySizeInBytes];
        using HpkeSender encapsulating = suite.SetupSender(publicKey, info, psk, senderKey, Ephemeral(suite, vector), made);
        Assert.Equal(encapsulated[^32..], made[^32..]);

        // ML-KEM's own randomness is libcrypto's, so the sender of a hybrid suite goes on from the published secret.
        using HpkeSender sender = suite.KemId == 0x0020
            ? encapsulating
            : new HpkeSender(new HpkeContext(suite, HpkeMode.Base, sharedSecret, info, psk));
        using HpkeRecipient? recipient = suite.SetupRecipient(key, encapsulated, info, psk, senderKey?.PublicKey);
        Assert.NotNull(recipient);

        Assert.NotEqual(0, vector.GetProperty("encryptions").GetArrayLength());
        foreach (JsonElement message in vector.GetProperty("encryptions").EnumerateArray())
        {
            byte[] plaintext = message.Bytes("pt");
            byte[] ciphertext = new byte[plaintext.Length + suite.TagSizeInBytes];
            sender.Seal(message.Bytes("aad"), plaintext, ciphertext);
            Assert.Equal(message.Bytes("ct"), ciphertext);
            byte[] opened = new byte[plaintext.Length];
            Assert.True(recipient.TryOpen(message.Bytes("aad"), ciphertext, opened));
            Assert.Equal(plaintext, opened);
        }

        Assert.NotEqual(0, vector.GetProperty("exports").GetArrayLength());
        foreach (JsonElement export in vector.GetProperty("exports").EnumerateArray())
        {
            byte[] secret = new byte[export.GetProperty("L").GetInt32()];
            sender.Export(export.Bytes("exporter_context"), secret);
            Assert.Equal(export.Bytes("exported_value"), secret);
            secret.AsSpan().Clear();
            recipient.Export(export.Bytes("exporter_context"), secret);
            Assert.Equal(export.Bytes("exported_value"), secret);
        }
    }

    private static ushort Id(JsonElement vector, string name) => vector.GetProperty(name).GetUInt16();

    private static byte[] Ephemeral(HpkeSuite suite, JsonElement vector)
    {
        if (suite.KemId != 0x0020)
        {
            return vector.Bytes("ikmE")[32..];
        }

        byte[] ephemeral = new byte[32];
        using HpkePrivateKey key = HpkePrivateKey.Derive(suite, vector.Bytes("ikmE"));
        key.Export(ephemeral);
        return ephemeral;
    }
}
