using FsCheck;
using FsCheck.Fluent;

namespace Tacit.Crypto.Tests;

/// <summary>Runs a property over generated values: so many as said, a hundred times that with <c>TACIT_SOAK=1</c>.</summary>
internal static class Property
{
    internal static bool IsSoak { get; } = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";

    internal static Gen<byte[]> BytesOf(int count) => Gen.ArrayOf(Gen.Choose(0, 255).Select(value => (byte)value), count);

    internal static Gen<byte[]> BytesUpTo(int count) => Gen.Choose(0, count).SelectMany(BytesOf);

    internal static Gen<BlindRsaVariant> Variants { get; } = Gen.Elements(
        BlindRsaVariant.RandomizedPss, BlindRsaVariant.RandomizedPssZero, BlindRsaVariant.DeterministicPss, BlindRsaVariant.DeterministicPssZero);

    internal static void Holds<T>(int count, Gen<T> values, Action<T> property) => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(IsSoak ? 100 * count : count), Prop.ForAll(values.ToArbitrary(), property));

    internal static byte[] FlipBit(byte[] bytes, int bit)
    {
        byte[] flipped = [.. bytes];
        flipped[bit / 8] ^= (byte)(1 << (bit % 8));
        return flipped;
    }
}
