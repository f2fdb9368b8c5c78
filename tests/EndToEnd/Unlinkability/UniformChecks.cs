using System.Buffers.Binary;
using System.Numerics;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// Whether byte strings of one length look drawn evenly and independently. Each comparison has a bound on its false alarms that holds for every even
/// distribution; see <see cref="Chance"/>.
/// </summary>
internal static class UniformChecks
{
    private const int MaxLag = 256;
    private const int MaxDistance = 8;
    private const int MaxRankBits = 1024;

    /// <summary>Rows beyond columns: a random matrix has less than full column rank about once in 2^this.</summary>
    private const int SpareRows = 40;

    /// <param name="what">Names the strings in what is reported.</param>
    /// <param name="strings">In the order they were made. At least a hundred, of 8 bytes or a multiple.</param>
    public static IEnumerable<string> Run(string what, IReadOnlyList<byte[]> strings)
    {
        ulong[][] rows = [.. strings.Select(Words)];
        foreach (string finding in BitBalance(rows).Concat(Nibbles(strings)).Concat(Bytes(strings)).Concat(Lags(rows)).Concat(Neighbours(rows)).Concat(Rank(rows)))
        {
            yield return $"{what}: {finding}";
        }
    }

    /// <summary>Strings that occur more than once.</summary>
    public static int Repeats(IEnumerable<byte[]> strings) =>
        strings.GroupBy(Convert.ToHexString).Where(group => group.Skip(1).Any()).Sum(group => group.Count() - 1);

    private static IEnumerable<string> BitBalance(ulong[][] rows)
    {
        for (int bit = 0; bit < rows[0].Length * 64; bit++)
        {
            int ones = 0;
            foreach (ulong[] row in rows)
            {
                ones += (int)((row[bit / 64] >> (bit % 64)) & 1);
            }

            if (Chance.OfHeads(ones, rows.Length) < Chance.Limit)
            {
                yield return $"bit {bit} is set in {ones} of {rows.Length}";
            }
        }
    }

    private static IEnumerable<string> Nibbles(IReadOnlyList<byte[]> strings)
    {
        for (int place = 0; place < strings[0].Length * 2; place++)
        {
            int[] counts = new int[16];
            foreach (byte[] text in strings)
            {
                counts[(text[place / 2] >> (place % 2 == 0 ? 4 : 0)) & 15]++;
            }

            double chi = Chance.ChiSquare(counts);
            if (Chance.OfChiSquare(chi, 16) < Chance.Limit)
            {
                yield return $"half byte {place} is uneven, chi-square {chi:F0} over 16 cells";
            }
        }
    }

    private static IEnumerable<string> Bytes(IReadOnlyList<byte[]> strings)
    {
        int[] counts = new int[256];
        int[] pairs = new int[256];
        foreach (byte[] text in strings)
        {
            for (int i = 0; i < text.Length; i++)
            {
                counts[text[i]]++;

                // Serial: how one byte follows another.
                pairs[(text[i] - text[(i + 1) % text.Length]) & 255] += i + 1 < text.Length ? 1 : 0;
            }
        }

        foreach ((string name, int[] table) in (ReadOnlySpan<(string, int[])>)[("bytes", counts), ("steps from byte to byte", pairs)])
        {
            double chi = Chance.ChiSquare(table);
            if (Chance.OfChiSquare(chi, 256) < Chance.Limit)
            {
                return [$"{name} are uneven, chi-square {chi:F0} over 256 cells"];
            }
        }

        return [];
    }

    /// <summary>Bits at a fixed distance within a string. The exclusive ors of fair bits at one distance are themselves fair and independent.</summary>
    private static IEnumerable<string> Lags(ulong[][] rows)
    {
        int bits = rows[0].Length * 64;
        for (int lag = 1; lag <= Math.Min(MaxLag, bits / 2); lag++)
        {
            long differing = 0;
            foreach (ulong[] row in rows)
            {
                differing += Differing(row, lag);
            }

            long pairs = (long)rows.Length * (bits - lag);
            if (Chance.OfHeads(differing, pairs) < Chance.Limit)
            {
                yield return $"bits {lag} apart differ in {(double)differing / pairs:P2} of all places";
            }
        }
    }

    private static int Differing(ulong[] row, int lag)
    {
        int words = lag / 64;
        int shift = lag % 64;
        int count = 0;
        for (int i = 0; i + words < row.Length; i++)
        {
            ulong moved = row[i + words] >> shift;
            ulong valid = ulong.MaxValue;
            if (shift > 0)
            {
                if (i + words + 1 < row.Length)
                {
                    moved |= row[i + words + 1] << (64 - shift);
                }
                else
                {
                    valid >>= shift;
                }
            }

            count += BitOperations.PopCount((row[i] ^ moved) & valid);
        }

        return count;
    }

    /// <summary>The same place in strings that were made one soon after the other.</summary>
    private static IEnumerable<string> Neighbours(ulong[][] rows)
    {
        int bits = rows[0].Length * 64;
        for (int distance = 1; distance <= MaxDistance; distance++)
        {
            long all = 0;
            int[] each = new int[bits];
            for (int i = 0; i + distance < rows.Length; i++)
            {
                for (int word = 0; word < rows[i].Length; word++)
                {
                    ulong differing = rows[i][word] ^ rows[i + distance][word];
                    all += BitOperations.PopCount(differing);
                    for (; differing != 0; differing &= differing - 1)
                    {
                        each[(word * 64) + BitOperations.TrailingZeroCount(differing)]++;
                    }
                }
            }

            long count = rows.Length - distance;
            if (Chance.OfHeads(all, count * bits) < Chance.Limit)
            {
                yield return $"{distance} apart in order, {(double)all / (count * bits):P2} of the bits differ";
            }

            int unfair = each.Count(differing => Chance.OfHeads(differing, count) < Chance.Limit);
            if (unfair > 0)
            {
                yield return $"{distance} apart in order, {unfair} bits differ too often or too seldom";
            }
        }
    }

    /// <summary>
    /// Strings that a linear generator with a small state made (a shift register, xorshift, a Mersenne twister's words) span few dimensions over GF(2), however
    /// even they look.
    /// </summary>
    private static IEnumerable<string> Rank(ulong[][] rows)
    {
        int columns = Math.Min(Math.Min(MaxRankBits, rows[0].Length * 64), rows.Length - 1 - SpareRows) / 64 * 64;
        if (columns <= 0)
        {
            yield break;
        }

        // The last words: the low bits. Relative to the first string, so that a constant added to all changes nothing.
        List<ulong[]> left = [.. rows.Skip(1).Select(row => Enumerable.Range(row.Length - (columns / 64), columns / 64).Select(i => row[i] ^ rows[0][i]).ToArray())];
        int rank = 0;
        for (int column = 0; column < columns; column++)
        {
            int pivot = left.FindIndex(rank, row => ((row[column / 64] >> (column % 64)) & 1) == 1);
            if (pivot < 0)
            {
                continue;
            }

            (left[rank], left[pivot]) = (left[pivot], left[rank]);
            ulong[] chosen = left[rank++];
            for (int i = rank; i < left.Count; i++)
            {
                ulong[] row = left[i];
                if (((row[column / 64] >> (column % 64)) & 1) == 1)
                {
                    for (int word = column / 64; word < row.Length; word++)
                    {
                        row[word] ^= chosen[word];
                    }
                }
            }
        }

        if (rank < columns)
        {
            yield return $"{columns} of their bits span {rank} dimensions over {rows.Length} strings";
        }
    }

    private static ulong[] Words(byte[] text)
    {
        ulong[] words = new ulong[text.Length / sizeof(ulong)];
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt64BigEndian(text.AsSpan(i * sizeof(ulong)));
        }

        return words;
    }
}
