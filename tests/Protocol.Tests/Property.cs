using FsCheck;
using FsCheck.Fluent;

namespace Tacit.Protocol.Tests;

/// <summary>Runs a property over generated values: 200 of them, 20,000 with <c>TACIT_SOAK=1</c>.</summary>
internal static class Property
{
    private static readonly Config s_config = Config.QuickThrowOnFailure.WithMaxTest(
        Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 20_000 : 200);

    public static Gen<byte[]> AnyBytes { get; } = Gen.OneOf(Gen.ArrayOf(Bytes()), BytesUpTo(600));

    public static Gen<byte> Bytes() => Gen.Choose(0, 255).Select(value => (byte)value);

    public static Gen<byte[]> BytesOf(int count) => Gen.ArrayOf(Bytes(), count);

    public static Gen<byte[]> BytesUpTo(int count) => Gen.Choose(0, count).SelectMany(BytesOf);

    public static Gen<TokenType> TokenTypes { get; } = Gen.Elements(TokenType.BlindRsa, TokenType.PartiallyBlindRsa);

    public static Gen<string> PlanIds { get; } =
        from first in Gen.Elements("abz019".ToCharArray())
        from rest in Gen.ArrayOf(Gen.Elements("abz019-._".ToCharArray()))
        select (first + new string(rest))[..Math.Min(1 + rest.Length, Plan.MaxIdLength)];

    public static Gen<PlanMetadata> Metadata { get; } =
        from id in PlanIds
        from day in Gen.Choose(1, 2_000_000)
        select new PlanMetadata(id, DateTimeOffset.UnixEpoch.AddDays(day));

    public static Gen<TokenRequest> TokenRequests { get; } =
        from type in TokenTypes
        from key in Bytes()
        from message in BytesOf(TokenRequest.BlindedMessageSizeInBytes)
        from metadata in Metadata
        select TokenRequest.Create(type, key, message, type == TokenType.BlindRsa ? default : metadata.EncodeExtensions());

    public static void Holds<T>(Gen<T> values, Action<T> property) =>
        Check.One(s_config, Prop.ForAll(values.ToArbitrary(), property));

    /// <summary>
    /// What every exact format owes: what it wrote it reads; a byte less or more it refuses; arbitrary and damaged bytes never make it throw, and
    /// what it takes of those encodes to the same bytes again.
    /// </summary>
    /// <param name="valid">Encodings of valid values.</param>
    /// <param name="reencode">Parses and encodes again; null if refused.</param>
    public static void HoldsForFormat(Gen<byte[]> valid, Func<byte[], byte[]?> reencode)
    {
        Holds(valid, encoded => Assert.Equal(encoded, reencode(encoded)));
        Holds(from bytes in valid from cut in Gen.Choose(0, bytes.Length - 1) select bytes[..cut], cut => Assert.Null(reencode(cut)));
        Holds(from bytes in valid from more in BytesUpTo(3) from one in Bytes() select (byte[])[.. bytes, one, .. more], longer => Assert.Null(reencode(longer)));
        Holds(AnyBytes, bytes => Assert.True(reencode(bytes) is not byte[] again || again.AsSpan().SequenceEqual(bytes)));
        Holds(Damaged(valid), bytes => Assert.True(reencode(bytes) is not byte[] again || again.AsSpan().SequenceEqual(bytes)));
    }

    private static Gen<byte[]> Damaged(Gen<byte[]> valid) =>
        from bytes in valid
        from at in Gen.Choose(0, bytes.Length - 1)
        from value in Bytes()
        select (byte[])[.. bytes[..at], value, .. bytes[(at + 1)..]];
}
