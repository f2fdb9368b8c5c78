using System.Text;

namespace Tacit.Inference;

/// <summary>What becomes of a member that its object's allow-list names.</summary>
internal enum Treatment : byte
{
    /// <summary>Copied as it stands.</summary>
    Keep,

    /// <summary>Left out silently: it says who asks, or how the provider should remember, and the answer does not need it.</summary>
    Remove,

    /// <summary>Refused by name, unless it is <c>null</c> or <c>false</c>, which ask for nothing.</summary>
    Refuse,
}

/// <summary>One member of an allow-list.</summary>
internal readonly record struct Member(string Text, byte[] Name, Treatment Treatment, Shape Shape)
{
    public static Member Keep(string name, Shape shape) => new(name, Encoding.ASCII.GetBytes(name), Treatment.Keep, shape);

    public static Member Keep(string name) => Keep(name, Shape.Scalar);

    public static Member Remove(string name) => new(name, Encoding.ASCII.GetBytes(name), Treatment.Remove, Shape.Any);

    public static Member Refuse(string name) => new(name, Encoding.ASCII.GetBytes(name), Treatment.Refuse, Shape.Any);
}

/// <summary>
/// The allow-list of one JSON value: which members an object may have, what an array may hold, whether a plain value fits. A tree of
/// these is the whole of law 5 for one operation, as data: everything it does not name is refused in a request and left out of a reply.
/// </summary>
internal sealed class Shape
{
    /// <summary>Anything, looked into no further: a JSON schema, a map of token ids.</summary>
    public static readonly Shape Any = new() { AllowsAnything = true };

    /// <summary>A string, number, boolean or null.</summary>
    public static readonly Shape Scalar = new() { AllowsScalar = true };

    /// <summary>Plain values, alone or in a list.</summary>
    public static readonly Shape Scalars = new() { AllowsScalar = true, Element = Scalar };

    /// <summary>Content by value (<c>data:</c>) or on the public web (<c>https:</c>); any other scheme could name a file or a host of the provider's.</summary>
    public static readonly Shape Address = new() { AllowsScalar = true, IsAddress = true };

    private readonly Member[]? _members;

    /// <summary>Of each member's name the length and first byte, which tell nearly all names apart and are found by one vector search.</summary>
    private readonly ushort[] _keys = [];

    public bool AllowsAnything { get; private init; }

    public bool AllowsScalar { get; init; }

    public bool IsAddress { get; init; }

    /// <summary>The only strings that fit, or null when any does.</summary>
    public byte[][]? Words { get; private init; }

    /// <summary>What an array holds, or null when none fits.</summary>
    public Shape? Element { get; init; }

    /// <summary>The members an object may have (at most 64, so that a mask says which were seen), or null when none fits.</summary>
    public Member[]? Members
    {
        get => _members;
        init
        {
            if (value?.Length > 64)
            {
                throw new ArgumentException("More members than the mask has bits.");
            }

            _members = value;
            _keys = value is null ? [] : [.. value.Select(member => Key(member.Name))];
        }
    }

    /// <summary>At least one of these members is needed (a mask); 0 for none.</summary>
    public ulong NeedsOneOf { get; init; }

    /// <summary>An <c>id</c> that stands alone is a reference to something stored; beside one of these members (a mask) it is a label.</summary>
    public ulong IdNeedsOneOf { get; init; }

    public static Shape Object(params Member[] members) => new() { Members = members };

    public static Shape List(Shape element) => new() { Element = element };

    /// <summary>One of these strings, or null.</summary>
    public static Shape OneOf(params string[] words) =>
        new() { AllowsScalar = true, Words = [.. words.Select(Encoding.ASCII.GetBytes)] };

    /// <summary>The place of a member in the allow-list, or -1.</summary>
    public int Find(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty || name.Length > byte.MaxValue)
        {
            return -1;
        }

        ushort key = Key(name);
        for (int from = 0; ; from++)
        {
            int found = _keys.AsSpan(from).IndexOf(key);
            if (found < 0)
            {
                return -1;
            }

            from += found;
            if (name.SequenceEqual(_members![from].Name))
            {
                return from;
            }
        }
    }

    private static ushort Key(ReadOnlySpan<byte> name) => (ushort)((name.Length << 8) | name[0]);

    /// <summary>The mask of the named members.</summary>
    public static ulong Mask(Member[] members, params ReadOnlySpan<string> names)
    {
        ulong mask = 0;
        foreach (string name in names)
        {
            mask |= 1UL << Array.FindIndex(members, member => member.Text == name);
        }

        return mask;
    }
}
