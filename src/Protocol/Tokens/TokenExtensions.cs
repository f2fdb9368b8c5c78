using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>One extension: a type and opaque data of at most 65,535 bytes.</summary>
public sealed record TokenExtension(ushort Type, ReadOnlyMemory<byte> Data);

/// <summary>
/// The Extensions structure (draft-ietf-privacypass-auth-scheme-extensions, section 3): a list of type, length and value in ascending order of
/// type. Its encoding is the public metadata of a 0xDA7A token and is used as it stands.
/// </summary>
public sealed class TokenExtensions
{
    /// <summary>The longest encoding that is read. The format allows 65,537; Tacit's metadata needs at most 90.</summary>
    public const int MaxSizeInBytes = 1024;

    private TokenExtensions(IReadOnlyList<TokenExtension> items) => Items = items;

    /// <summary>In ascending order of type; a type may be repeated.</summary>
    public IReadOnlyList<TokenExtension> Items { get; }

    /// <summary>Orders the items by type, those of one type as given.</summary>
    public static TokenExtensions Create(IEnumerable<TokenExtension> items)
    {
        TokenExtensions extensions = new([.. items.OrderBy(item => item.Type)]);
        if (extensions.Size > MaxSizeInBytes)
        {
            throw new ArgumentException($"Extensions have at most {MaxSizeInBytes} bytes.", nameof(items));
        }

        return extensions;
    }

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out TokenExtensions? extensions)
    {
        extensions = null;
        WireReader outer = new(encoded);
        if (encoded.Length > MaxSizeInBytes || !outer.TryReadVector16(out ReadOnlySpan<byte> list) || !outer.AtEnd)
        {
            return false;
        }

        List<TokenExtension> items = [];
        WireReader reader = new(list);
        int last = -1;
        while (!reader.AtEnd)
        {
            if (!reader.TryReadUInt16(out ushort type) || type < last || !reader.TryReadVector16(out ReadOnlySpan<byte> data))
            {
                return false;
            }

            last = type;
            items.Add(new TokenExtension(type, data.ToArray()));
        }

        extensions = new TokenExtensions(items);
        return true;
    }

    /// <summary>Whether <paramref name="encoded"/> is well formed.</summary>
    public static bool IsWellFormed(ReadOnlySpan<byte> encoded) => TryParse(encoded, out _);

    public byte[] Encode()
    {
        byte[] encoded = new byte[Size];
        WireWriter writer = new(encoded);
        writer.WriteUInt16((ushort)(encoded.Length - 2));
        foreach (TokenExtension item in Items)
        {
            writer.WriteUInt16(item.Type);
            writer.WriteVector16(item.Data.Span);
        }

        return encoded;
    }

    private int Size => 2 + Items.Sum(item => 4 + item.Data.Length);
}
