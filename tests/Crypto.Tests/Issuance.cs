namespace Tacit.Crypto.Tests;

/// <summary>The whole protocol with honest parties.</summary>
internal static class Issuance
{
    internal static bool Run(BlindRsaPrivateKey key, BlindRsaVariant variant, byte[] message)
    {
        byte[] prepared = variant.Prepare(message);
        byte[] signature = Sign(key, variant, prepared);
        return key.PublicKey.Verify(variant, prepared, signature);
    }

    internal static byte[] Sign(BlindRsaPrivateKey key, BlindRsaVariant variant, byte[] prepared)
    {
        byte[] blinded = new byte[key.ModulusSizeInBytes];
        byte[] blindSignature = new byte[key.ModulusSizeInBytes];
        byte[] signature = new byte[key.ModulusSizeInBytes];
        using BlindingState state = key.PublicKey.Blind(variant, prepared, blinded);
        Assert.Equal(BlindSignStatus.Success, key.BlindSign(blinded, blindSignature));
        Assert.True(state.TryFinalize(blindSignature, signature));
        return signature;
    }
}
