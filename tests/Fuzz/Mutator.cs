namespace Tacit.Fuzz;

/// <summary>Makes inputs that are almost valid: one to eight small changes to a known one, now and then random bytes.</summary>
public static class Mutator
{
    private const int MaxSize = 1 << 16;

    private static readonly byte[][] s_fragments =
    [
        [0], [0xff], [0, 0], [0xff, 0xff], [0, 1], [0, 2], [0xda, 0x7a], [0x40, 0], [0x80, 0, 0, 0], [0xc0, 0, 0, 0, 0, 0, 0, 0], [0x7f, 0xff],
        "\""u8.ToArray(), "\\"u8.ToArray(), ","u8.ToArray(), "="u8.ToArray(), "PrivateToken "u8.ToArray(), "token="u8.ToArray(),
        "{"u8.ToArray(), "}"u8.ToArray(), "["u8.ToArray(), "1e9"u8.ToArray(), "-0"u8.ToArray(), "9007199254740993"u8.ToArray(),
        "\\ud800"u8.ToArray(), "\"sequence\":1,"u8.ToArray(), "null"u8.ToArray(), [0xc0, 0x80], [0xed, 0xa0, 0x80],
    ];

    public static byte[] Mutate(IReadOnlyList<byte[]> corpus, Xoshiro random)
    {
        if (random.Below(16) == 0)
        {
            return random.Bytes(random.Below(random.Below(4) == 0 ? 2048 : 64));
        }

        List<byte> bytes = [.. corpus[random.Below(corpus.Count)]];
        int changes = 1 + random.Below(8);
        for (int i = 0; i < changes; i++)
        {
            Change(bytes, corpus, random);
        }

        return bytes.Count > MaxSize ? [.. bytes.Take(MaxSize)] : [.. bytes];
    }

    private static void Change(List<byte> bytes, IReadOnlyList<byte[]> corpus, Xoshiro random)
    {
        int at = random.Below(bytes.Count + 1);
        int some = Math.Min(1 + random.Below(random.Below(8) == 0 ? 512 : 4), bytes.Count - at);
        switch (random.Below(9))
        {
            case 0 when some > 0:
                bytes[at] ^= (byte)(1 << random.Below(8));
                break;
            case 1 when some > 0:
                bytes[at] = unchecked((byte)random.NextUInt64());
                break;
            case 2 when some > 0:
                bytes[at] = unchecked((byte)(bytes[at] + (random.Below(2) == 0 ? 1 : 255)));
                break;
            case 3 when some > 0:
                bytes.RemoveRange(at, some);
                break;
            case 4 when some > 0:
                bytes.InsertRange(at, bytes.GetRange(at, some));
                break;
            case 5:
                bytes.InsertRange(at, s_fragments[random.Below(s_fragments.Length)]);
                break;
            case 6:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 7:
                byte[] other = corpus[random.Below(corpus.Count)];
                bytes.InsertRange(at, other.Skip(random.Below(other.Length + 1)).Take(1 + random.Below(300)));
                break;
            default:
                byte[] fragment = s_fragments[random.Below(s_fragments.Length)];
                for (int i = 0; i < fragment.Length && at + i < bytes.Count; i++)
                {
                    bytes[at + i] = fragment[i];
                }

                break;
        }
    }
}
