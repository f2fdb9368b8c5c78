using System.Buffers;
using System.Text;

namespace Tacit.Protocol;

/// <summary>Which of the two a <see cref="BinaryHttpReader"/> expects.</summary>
public enum BinaryHttpKind
{
    Request,
    Response,
}

/// <summary>
/// Reads one binary HTTP message (RFC 9292) of either length form from bytes as they come, cut anywhere. Content goes to a buffer of the caller's at once; head and trailers
/// are there when their section has ended. Does not throw, whatever the bytes; after a refusal it stays refused. Not thread safe.
/// </summary>
public sealed class BinaryHttpReader : IDisposable
{
    private readonly BinaryHttpKind _kind;
    private readonly BinaryHttpLimits _limits;
    private readonly SensitiveBuffer _item = new(64);
    private readonly string[] _control = new string[4];
    private readonly List<BinaryHttpResponse> _informational = [];
    private List<BinaryHttpField> _fields = [];
    private Step _step = Step.Framing;
    private bool _isKnownLength;
    private int _controlCount;
    private int _status;
    private bool _inTrailers;
    private bool _isPseudoAllowed = true;
    private bool _isPseudo;
    private string _name = "";
    private int _wanted;
    private long _left;
    private int _headBytes;
    private int _fieldCount;
    private long _contentBytes;

    /// <param name="kind">What the bytes are to be; the other is refused.</param>
    /// <param name="limits">Null: the defaults.</param>
    public BinaryHttpReader(BinaryHttpKind kind, BinaryHttpLimits? limits = null)
    {
        _kind = kind;
        _limits = limits ?? new BinaryHttpLimits();
    }

    // In the order of a message. Each is one item: an integer, or so many bytes.
    private enum Step
    {
        Framing,
        ControlLength,
        Control,
        Status,
        SectionLength,
        NameLength,
        Name,
        ValueLength,
        Value,
        ContentLength,
        Content,
        Padding,
        Refused,
    }

    private enum ItemResult
    {
        Done,
        NeedsMore,
        Refused,
    }

    /// <summary>The request, once its header section has ended.</summary>
    public BinaryHttpRequest? Request { get; private set; }

    /// <summary>The final response, once its header section has ended.</summary>
    public BinaryHttpResponse? Response { get; private set; }

    /// <summary>Informational responses that have come before it.</summary>
    public IReadOnlyList<BinaryHttpResponse> Informational => _informational;

    /// <summary>The trailer section, once it has ended; empty before.</summary>
    public IReadOnlyList<BinaryHttpField> Trailers { get; private set; } = [];

    /// <summary>Whether all of the message is there, so that only padding may follow.</summary>
    public bool IsComplete => _step == Step.Padding;

    /// <summary>Reads a whole message at once.</summary>
    /// <returns>The reader with everything but the content, which is in <paramref name="content"/>; null if the bytes are no such message.</returns>
    public static BinaryHttpReader? TryParse(BinaryHttpKind kind, ReadOnlySpan<byte> message, IBufferWriter<byte> content, BinaryHttpLimits? limits = null)
    {
        var reader = new BinaryHttpReader(kind, limits);
        if (reader.TryRead(message, content) && reader.TryEnd())
        {
            return reader;
        }

        reader.Dispose();
        return null;
    }

    /// <summary>Takes the next bytes, all of them. False if they do not continue a valid message within the limits.</summary>
    /// <param name="input">Any number of bytes.</param>
    /// <param name="content">Gets what of them is content.</param>
    public bool TryRead(ReadOnlySpan<byte> input, IBufferWriter<byte> content)
    {
        ArgumentNullException.ThrowIfNull(content);
        while (!input.IsEmpty)
        {
            ItemResult result = _step switch
            {
                Step.Refused => ItemResult.Refused,
                Step.Padding => TakePadding(ref input),
                Step.Content => TakeContent(ref input, content),
                Step.Control or Step.Name or Step.Value => TakeBytes(ref input),
                _ => TakeInteger(ref input),
            };
            if (result == ItemResult.Refused)
            {
                _step = Step.Refused;
                _item.Clear();
                return false;
            }
        }

        return _step != Step.Refused;
    }

    /// <summary>
    /// The message ends here. False if it was cut: only sections that would be empty may be missing at its end (RFC 9292, section 3.8).
    /// </summary>
    public bool TryEnd()
    {
        bool mayEnd = _item.WrittenCount == 0 && _step switch
        {
            Step.SectionLength => true,
            Step.NameLength => !_isKnownLength && _fields.Count == 0,
            // Of content in chunks only none at all may be missing: the terminator behind a chunk says that there are no more.
            Step.ContentLength => _contentBytes == 0,
            Step.Padding => true,
            _ => false,
        };
        if (mayEnd && _step is Step.SectionLength or Step.NameLength && !_inTrailers)
        {
            EndSection();
            // An informational response is not the last there is.
            mayEnd = _step == Step.ContentLength;
        }

        _step = mayEnd ? Step.Padding : Step.Refused;
        return mayEnd;
    }

    public void Dispose() => _item.Dispose();

    private static ItemResult TakePadding(ref ReadOnlySpan<byte> input)
    {
        bool isZero = !input.ContainsAnyExcept((byte)0);
        input = default;
        return isZero ? ItemResult.Done : ItemResult.Refused;
    }

    private ItemResult TakeContent(ref ReadOnlySpan<byte> input, IBufferWriter<byte> content)
    {
        int count = (int)Math.Min(input.Length, _left);
        content.Write(input[..count]);
        input = input[count..];
        _left -= count;
        if (_left == 0)
        {
            if (_isKnownLength)
            {
                BeginTrailers();
            }
            else
            {
                _step = Step.ContentLength;
            }
        }

        return ItemResult.Done;
    }

    /// <summary>A variable-length integer (RFC 9000, section 16), in any of its lengths.</summary>
    private ItemResult TakeInteger(ref ReadOnlySpan<byte> input)
    {
        byte first = _item.WrittenCount > 0 ? _item.WrittenSpan[0] : input[0];
        int missing = (1 << (first >> 6)) - _item.WrittenCount;
        int count = Math.Min(missing, input.Length);
        _item.Write(input[..count]);
        input = input[count..];
        if (count < missing)
        {
            return ItemResult.NeedsMore;
        }

        ReadOnlySpan<byte> bytes = _item.WrittenSpan;
        ulong value = (ulong)(bytes[0] & 0x3f);
        for (int i = 1; i < bytes.Length; i++)
        {
            value = (value << 8) | bytes[i];
        }

        int size = bytes.Length;
        _item.Clear();
        return TakeInteger((long)value, size);
    }

    private ItemResult TakeInteger(long value, int size)
    {
        if (_step == Step.ContentLength)
        {
            return BeginContent(value);
        }

        if (!TryCountHead(size))
        {
            return ItemResult.Refused;
        }

        switch (_step)
        {
            case Step.Framing:
                return TakeFraming(value);
            case Step.Status:
                return TakeStatus(value);
            case Step.SectionLength:
                if (value > _limits.MaxHeadBytes)
                {
                    return ItemResult.Refused;
                }

                _left = value;
                _step = Step.NameLength;
                return value == 0 ? EndSection() : ItemResult.Done;
            case Step.NameLength when value == 0:
                return _isKnownLength ? ItemResult.Refused : EndSection();
            default:
                return BeginBytes(value, size);
        }
    }

    private ItemResult TakeFraming(long value)
    {
        bool isRequest = value is (long)Framing.KnownLengthRequest or (long)Framing.IndeterminateLengthRequest;
        bool isResponse = value is (long)Framing.KnownLengthResponse or (long)Framing.IndeterminateLengthResponse;
        if (_kind == BinaryHttpKind.Request ? !isRequest : !isResponse)
        {
            return ItemResult.Refused;
        }

        _isKnownLength = value is (long)Framing.KnownLengthRequest or (long)Framing.KnownLengthResponse;
        _step = isRequest ? Step.ControlLength : Step.Status;
        return ItemResult.Done;
    }

    private ItemResult TakeStatus(long value)
    {
        if (value is < 100 or > 599)
        {
            return ItemResult.Refused;
        }

        _status = (int)value;
        BeginSection();
        return ItemResult.Done;
    }

    private ItemResult BeginContent(long length)
    {
        if (length == 0)
        {
            BeginTrailers();
            return ItemResult.Done;
        }

        if (length > _limits.MaxContentBytes - _contentBytes)
        {
            return ItemResult.Refused;
        }

        _contentBytes += length;
        _left = length;
        _step = Step.Content;
        return ItemResult.Done;
    }

    private ItemResult BeginBytes(long length, int sizeOfLength)
    {
        if (length > _limits.MaxHeadBytes || !TryLeaveSection(sizeOfLength))
        {
            return ItemResult.Refused;
        }

        _wanted = (int)length;
        _step++;
        // An item of no length has no bytes that would bring it on.
        return length == 0 ? EndBytes([]) : ItemResult.Done;
    }

    private ItemResult TakeBytes(ref ReadOnlySpan<byte> input)
    {
        if (_item.WrittenCount == 0 && input.Length >= _wanted)
        {
            ReadOnlySpan<byte> whole = input[.._wanted];
            input = input[_wanted..];
            return EndBytes(whole);
        }

        int count = Math.Min(_wanted - _item.WrittenCount, input.Length);
        if (_headBytes + _item.WrittenCount + count > _limits.MaxHeadBytes)
        {
            return ItemResult.Refused;
        }

        _item.Write(input[..count]);
        input = input[count..];
        if (_item.WrittenCount < _wanted)
        {
            return ItemResult.NeedsMore;
        }

        ItemResult result = EndBytes(_item.WrittenSpan);
        _item.Clear();
        return result;
    }

    private ItemResult EndBytes(ReadOnlySpan<byte> bytes)
    {
        if (!TryCountHead(bytes.Length))
        {
            return ItemResult.Refused;
        }

        switch (_step)
        {
            case Step.Control:
                return EndControl(bytes);
            case Step.Name:
                return EndName(bytes);
            default:
                return EndValue(bytes);
        }
    }

    private ItemResult EndControl(ReadOnlySpan<byte> bytes)
    {
        bool isValid = _controlCount switch
        {
            0 => BinaryHttpRules.IsMethod(bytes),
            1 => BinaryHttpRules.IsScheme(bytes),
            2 => BinaryHttpRules.IsAuthority(bytes),
            _ => BinaryHttpRules.IsPath(bytes),
        };
        if (!isValid)
        {
            return ItemResult.Refused;
        }

        _control[_controlCount++] = Encoding.Latin1.GetString(bytes);
        if (_controlCount < _control.Length)
        {
            _step = Step.ControlLength;
        }
        else
        {
            BeginSection();
        }

        return ItemResult.Done;
    }

    private ItemResult EndName(ReadOnlySpan<byte> bytes)
    {
        _isPseudo = bytes.StartsWith(":"u8);
        if (!TryLeaveSection(bytes.Length) || ++_fieldCount > _limits.MaxFields
            || !(_isPseudo ? _isPseudoAllowed && BinaryHttpRules.IsPseudoName(bytes) : BinaryHttpRules.IsName(bytes)))
        {
            return ItemResult.Refused;
        }

        _isPseudoAllowed &= _isPseudo;
        _name = Encoding.Latin1.GetString(bytes);
        _step = Step.ValueLength;
        return ItemResult.Done;
    }

    private ItemResult EndValue(ReadOnlySpan<byte> bytes)
    {
        if (!TryLeaveSection(bytes.Length) || !BinaryHttpRules.IsValue(bytes))
        {
            return ItemResult.Refused;
        }

        _fields.Add(new BinaryHttpField(_name, Encoding.Latin1.GetString(bytes)));
        _step = Step.NameLength;
        return _isKnownLength && _left == 0 ? EndSection() : ItemResult.Done;
    }

    private void BeginSection()
    {
        _fields = [];
        _isPseudoAllowed = !_inTrailers;
        _step = _isKnownLength ? Step.SectionLength : Step.NameLength;
    }

    private void BeginTrailers()
    {
        _inTrailers = true;
        BeginSection();
    }

    private ItemResult EndSection()
    {
        if (_inTrailers)
        {
            Trailers = _fields;
            _step = Step.Padding;
            return ItemResult.Done;
        }

        if (_kind == BinaryHttpKind.Request)
        {
            Request = new BinaryHttpRequest { Method = _control[0], Scheme = _control[1], Authority = _control[2], Path = _control[3], Headers = _fields };
            _step = Step.ContentLength;
            return ItemResult.Done;
        }

        var response = new BinaryHttpResponse { Status = _status, Headers = _fields };
        if (_status < 200)
        {
            _informational.Add(response);
            _step = Step.Status;
            return _informational.Count <= _limits.MaxInformational ? ItemResult.Done : ItemResult.Refused;
        }

        Response = response;
        _step = Step.ContentLength;
        return ItemResult.Done;
    }

    /// <summary>Bytes of a section of known length may not reach beyond it.</summary>
    private bool TryLeaveSection(int count)
    {
        if (!_isKnownLength || _step is Step.ControlLength or Step.Control)
        {
            return true;
        }

        _left -= count;
        return _left >= 0;
    }

    private bool TryCountHead(int count)
    {
        _headBytes += count;
        return _headBytes <= _limits.MaxHeadBytes;
    }
}
