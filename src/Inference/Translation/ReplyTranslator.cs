using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// Makes a reply of one API into one of another, event by event or whole. Sees nothing but what <see cref="ReplyFilter"/> let through: well-formed objects, each
/// with one line of data. A class per direction, an object per reply; not thread safe.
/// </summary>
internal abstract class ReplyTranslator
{
    /// <summary>The longest id or model name that is passed on, in bytes as written.</summary>
    protected const int LongestName = 256;

    /// <summary>Whether the last event was seen.</summary>
    public bool IsEnded { get; protected set; }

    /// <summary>Translates one event.</summary>
    /// <returns>False if it cannot stand where it does; what was appended then means nothing.</returns>
    public abstract bool TryEvent(JsonSlice data, SensitiveBuffer into);

    /// <summary>Translates what ends a stream without being an object: <c>[DONE]</c>.</summary>
    public virtual bool TryDone(SensitiveBuffer into) => false;

    /// <summary>Nothing follows. Called if <see cref="IsEnded"/> is not set.</summary>
    public virtual bool TryEnd(SensitiveBuffer into) => false;

    /// <summary>Translates a whole reply.</summary>
    public abstract bool TryWhole(JsonSlice reply, SensitiveBuffer into);

    /// <summary>A name to repeat: as the provider wrote it, or the one given where that is none.</summary>
    protected static byte[] NameOr(JsonSlice name, ReadOnlySpan<byte> otherwise) =>
        name.IsString && name.Raw.Length is > 2 and <= LongestName ? name.Raw.ToArray() : [(byte)'"', .. otherwise, (byte)'"'];

    protected static long CountOr0(JsonSlice number) => Math.Clamp(number.Count(), 0, 100_000_000);
}

/// <summary>A reply in another API's form than the one it came in.</summary>
internal sealed class TranslatedReply(ReplySource inner, ReplyTranslator translator) : ReplySource
{
    private readonly SensitiveBuffer _received = new(4096);
    private bool _isBegun;

    public override bool IsEventStream => inner.IsEventStream;

    public override BackendLease? Lease
    {
        get => inner.Lease;
        set => inner.Lease = value;
    }

    public override async ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken)
    {
        while (true)
        {
            int before = into.WrittenCount;
            _received.Truncate(0);
            bool more = await inner.ReadAsync(_received, cancellationToken);
            if (!(more ? TryTranslate(into) : !inner.IsEventStream || translator.IsEnded || translator.TryEnd(into)))
            {
                into.Truncate(before);
                Lease?.BrokeOff();
                throw Failures.Broken(_isBegun);
            }

            if (into.WrittenCount > before)
            {
                _isBegun = true;
                return true;
            }

            if (!more)
            {
                return false;
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        _received.Dispose();
        await inner.DisposeAsync();
    }

    private bool TryTranslate(SensitiveBuffer into)
    {
        if (!inner.IsEventStream)
        {
            return translator.TryWhole(new JsonSlice(_received.WrittenSpan.Trim(" \t\r\n"u8)), into);
        }

        // The parser before this has made each event whole and put its data on one line.
        ReadOnlySpan<byte> rest = _received.WrittenSpan;
        while (!rest.IsEmpty)
        {
            int end = rest.IndexOfAny((byte)'\n', (byte)'\r');
            ReadOnlySpan<byte> line = end < 0 ? rest : rest[..end];
            rest = end < 0 ? default : rest[(end + 1)..];
            if (!line.StartsWith("data:"u8))
            {
                continue;
            }

            line = line[5..].Trim(" \t"u8);
            if (translator.IsEnded)
            {
                return true;
            }

            if (!(line.SequenceEqual("[DONE]"u8) ? translator.TryDone(into) : line.IsEmpty || translator.TryEvent(new JsonSlice(line), into)))
            {
                return false;
            }
        }

        return true;
    }
}
