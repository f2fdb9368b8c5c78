using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Crypto.Interop;

namespace Tacit.Bench.Crypto;

/// <summary>What libcrypto needs for one public exponentiation or inversion alone, in Montgomery form prepared beforehand.</summary>
internal sealed class BareExponentiation : NativeGroup
{
    private readonly BigNumContext _context;
    private readonly BlindRsaPublicKey _key;
    private readonly BigNum _base;
    private readonly BigNum _secret;
    private readonly BigNum _result;

    internal BareExponentiation(BlindRsaPublicKey key)
    {
        _key = key;
        _context = NewContext();
        _base = NewNumber();
        _secret = NewSecret();
        _result = NewNumber();
        byte[] number = RandomNumberGenerator.GetBytes(key.ModulusSizeInBytes);
        number[0] = 0x40;
        _base.Read(number);
        _secret.Read(number);
    }

    internal void Raise() => LibCrypto.Check(
        LibCrypto.BN_mod_exp_mont(_result, _base, _key.Numbers.E, _key.Numbers.N, _context, _key.Numbers.MontgomeryN));

    internal void Invert()
    {
        if (!_result.TryInvert(_secret, _key.Numbers.N, _context))
        {
            throw new InvalidOperationException("Not invertible.");
        }
    }
}
