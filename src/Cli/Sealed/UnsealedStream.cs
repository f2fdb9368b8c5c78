using System.Text;
using Tacit.Protocol;

namespace Tacit.Cli.Sealed;

/// <summary>The body of a sealed reply, opened as its events come from standard input. Its end is the reply's own: one that breaks off before is an error.</summary>
internal sealed class UnsealedStream : ReadOnlyStream
{
    private readonly TextReader _input;
    private readonly SealedReplyReader _reader;
    private readonly char[] _characters = new char[8192];

    private UnsealedStream(TextReader input, SealedReplyReader reader) => (_input, _reader) = (input, reader);

    /// <summary>The reply inside. Whole once the stream was read to its end.</summary>
    public SealedReplyReader Reply => _reader;

    /// <summary>Reads until the head inside has come.</summary>
    /// <param name="find">Finds the secret of a request id.</param>
    /// <exception cref="CommandException">It is no sealed reply; where a gateway's error came in its place, that.</exception>
    public static async Task<UnsealedStream> OpenAsync(TextReader input, Func<byte[], SealedReplySecret> find, CancellationToken cancellationToken)
    {
        var beginning = new StringBuilder();
        char[] characters = new char[4096];
        while (true)
        {
            int read = await input.ReadAsync(characters, cancellationToken);
            beginning.Append(characters, 0, read);
            string text = beginning.ToString();
            if (text.AsSpan().TrimStart().StartsWith("{"))
            {
                throw new CommandException(await ErrorTextAsync(input, text, cancellationToken));
            }

            byte[] bytes = Ascii(text);
            using var events = new SealedEventParser();

            if (TryReadHead(events, bytes) is byte[] requestId)
            {
                var stream = new UnsealedStream(input, new SealedReplyReader(find(requestId)));
                stream.Push(bytes);
                while (stream._reader.Status is null)
                {
                    await stream.ReadMoreAsync(cancellationToken);
                }

                return stream;
            }

            if (events.IsMalformed || text.Length > 64 * 1024)
            {
                throw new CommandException("This is no sealed reply. Give it what the gateway answered to a request of `tacit seal`, as it is (curl -sN).");
            }

            if (read == 0)
            {
                throw new CommandException(text.Length == 0 ? "Nothing came. Did the request reach the gateway?" : Explain(SealedReplyError.Truncated));
            }
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_reader.Body.WrittenCount == 0)
        {
            if (_reader.IsWhole)
            {
                // To the end of what was sent: something behind the end is an error too.
                while (await PushMoreAsync(cancellationToken))
                {
                }

                return 0;
            }

            await ReadMoreAsync(cancellationToken);
        }

        int count = Math.Min(buffer.Length, _reader.Body.WrittenCount);
        _reader.Body.WrittenSpan[..count].CopyTo(buffer.Span);
        _reader.Body.RemoveFirst(count);
        return count;
    }

    private static byte[]? TryReadHead(SealedEventParser events, ReadOnlySpan<byte> bytes) =>
        events.TryRead(ref bytes, out SealedEventKind kind, out ReadOnlySpan<byte> data) && kind == SealedEventKind.Head
        && SealedReplyReader.TryReadRequestId(data, out byte[]? requestId) ? requestId : null;

    private async Task ReadMoreAsync(CancellationToken cancellationToken)
    {
        if (!await PushMoreAsync(cancellationToken))
        {
            Throw(_reader.Complete());
        }
    }

    /// <summary>False at the end of the input.</summary>
    private async Task<bool> PushMoreAsync(CancellationToken cancellationToken)
    {
        int read = await _input.ReadAsync(_characters, cancellationToken);
        Push(Ascii(_characters.AsSpan(0, read)));
        return read > 0;
    }

    private void Push(ReadOnlySpan<byte> bytes) => Throw(_reader.Push(bytes));

    private static void Throw(SealedReplyError error)
    {
        if (error != SealedReplyError.None)
        {
            throw new CommandException(Explain(error));
        }
    }

    private static string Explain(SealedReplyError error) => error switch
    {
        SealedReplyError.Truncated => "The reply broke off: its end mark is missing. Sealed anew, the same question gets the whole of it within ten minutes, without a new token.",
        SealedReplyError.Undecryptable => "A part of the reply was changed, left out, repeated or exchanged on its way; what came before it is no whole reply. Somebody between here and the gateway does that.",
        SealedReplyError.OtherRequest => "This is the reply to another request.",
        SealedReplyError.AfterFinal => "Something came behind the reply's end mark.",
        _ => "This is no sealed reply.",
    };

    private static async Task<string> ErrorTextAsync(TextReader input, string beginning, CancellationToken cancellationToken)
    {
        var text = new StringBuilder(beginning);
        char[] characters = new char[4096];
        int read;
        while (text.Length < 64 * 1024 && (read = await input.ReadAsync(characters, cancellationToken)) > 0)
        {
            text.Append(characters, 0, read);
        }

        return Wallets.ChatReply.ExplainError(Encoding.UTF8.GetBytes(text.ToString())) ?? "The gateway answered with something that is neither a sealed reply nor an error of its own.";
    }

    private static byte[] Ascii(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            bytes[i] = text[i] < 0x80 ? (byte)text[i] : (byte)0x80;
        }

        return bytes;
    }
}
