using System.Text;

namespace Tacit.Protocol;

public static partial class SignerWire
{
    private static int SizeOfPseudonym(PseudonymKey? key) => 1 + (key is null ? 0 : 1 + key.Gateway.Length + 8 + (key.Epoch is null ? 0 : 1 + 8));

    /// <summary>Behind a key's plans: its kind (0: none), gateway, when it begins to issue and, but for a permanent one, its epoch.</summary>
    private static void WritePseudonym(ref WireWriter writer, PseudonymKey? key)
    {
        writer.WriteByte((byte)(key?.Kind ?? 0));
        if (key is null)
        {
            return;
        }

        writer.WriteVector8(Encoding.ASCII.GetBytes(key.Gateway));
        writer.WriteInt64(key.NotBefore.ToUnixTimeSeconds());
        if (key.Epoch is { } epoch)
        {
            writer.WriteByte((byte)epoch.Kind);
            writer.WriteInt64(epoch.Start.ToUnixTimeSeconds());
        }
    }

    private static bool TryReadPseudonym(ref WireReader reader, byte[] tokenKeyId, out PseudonymKey? key)
    {
        key = null;
        if (!reader.TryReadByte(out byte kind))
        {
            return false;
        }

        if (kind == 0)
        {
            return true;
        }

        if (!Enum.IsDefined((PseudonymKind)kind)
            || !reader.TryReadVector8(out ReadOnlySpan<byte> gateway) || !Ascii.IsValid(gateway)
            || !TryReadTime(ref reader, out DateTimeOffset notBefore))
        {
            return false;
        }

        Period? epoch = null;
        if ((PseudonymKind)kind != PseudonymKind.Permanent)
        {
            if (!reader.TryReadByte(out byte periodKind)
                || !TryReadTime(ref reader, out DateTimeOffset start)
                || !Period.TryStartingAt((PeriodKind)periodKind, start, out Period period))
            {
                return false;
            }

            epoch = period;
        }

        key = new PseudonymKey
        {
            Gateway = Encoding.ASCII.GetString(gateway), Kind = (PseudonymKind)kind, TokenKeyId = tokenKeyId, Epoch = epoch, NotBefore = notBefore,
        };
        return true;
    }
}
