using System.Buffers;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// What of a filtered request can be judged: every text that a model would read, of all turns, tools and instructions, each on a line of its own; and the
/// addresses of images. It goes by what is known not to be read, so that a new member is judged rather than missed.
/// </summary>
internal sealed class PromptContent : IDisposable
{
    private readonly SensitiveBuffer _text;
    private readonly SensitiveBuffer _images = new();
    private readonly List<Range> _imageRanges = [];

    private PromptContent(int length) => _text = new SensitiveBuffer(Math.Max(length, 256));

    /// <summary>All text, UTF-8, without the escapes of JSON.</summary>
    public ReadOnlyMemory<byte> Text => _text.WrittenMemory;

    public int Images => _imageRanges.Count;

    /// <summary>Whether something is in it that is neither text nor an image: sound, a file, token numbers.</summary>
    public bool HasOther { get; private set; }

    /// <summary>The image as the request gives it: an address, or a <c>data:</c> URL.</summary>
    public ReadOnlySpan<byte> Image(int index) => _images.WrittenSpan[_imageRanges[index]];

    /// <param name="operation">Tells what numbers mean.</param>
    /// <param name="body">What <see cref="RequestFilter"/> let through, so well-formed.</param>
    public static PromptContent Read(Operation operation, ReadOnlySpan<byte> body)
    {
        var content = new PromptContent(body.Length);
        try
        {
            content.Walk(operation, body);
            return content;
        }
        catch
        {
            content.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _text.Dispose();
        _images.Dispose();
    }

    private void Walk(Operation operation, ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = RequestWalk.MaxDepth });
        Span<Place> places = stackalloc Place[RequestWalk.MaxDepth + 2];
        places.Clear();
        while (reader.Read())
        {
            int depth = reader.CurrentDepth;
            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    Place above = depth > 1 ? places[depth - 1] : Place.Text;
                    if (above == Place.Schema)
                    {
                        // A schema's member names are read by the model like any text.
                        Add(ref reader);
                    }

                    places[depth] = PlaceOf(ref reader, above, operation);
                    if (operation == Operation.Messages && above != Place.Schema && !reader.ValueIsEscaped && reader.ValueTextEquals("source"u8))
                    {
                        TakeSource(ref reader);
                    }

                    break;

                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    // What stands in a list is where the list is; in an object each member says for itself.
                    places[depth + 1] = depth == 0 ? Place.Text : places[depth];
                    break;

                case JsonTokenType.String:
                    Take(ref reader, places[depth]);
                    break;

                case JsonTokenType.Number when operation == Operation.Embeddings && depth > 1:
                    HasOther = true;
                    break;

                default:
                    break;
            }
        }
    }

    private void Take(ref Utf8JsonReader reader, Place place)
    {
        switch (place)
        {
            case Place.NotRead:
                return;
            case Place.Image:
                int start = _images.WrittenCount;
                Copy(ref reader, _images);
                _imageRanges.Add(start.._images.WrittenCount);
                return;
            case Place.Other:
                HasOther = true;
                return;
            default:
                Add(ref reader);
                return;
        }
    }

    /// <summary>
    /// What holds an image or a document in Anthropic's API: the members that say what the bytes are may come behind them. Goes past it, unless it holds
    /// further blocks, alone or beside the bytes, which are walked like those around it.
    /// </summary>
    private void TakeSource(ref Utf8JsonReader reader)
    {
        Utf8JsonReader ahead = reader;
        ahead.Read();
        if (ahead.TokenType != JsonTokenType.StartObject)
        {
            // A search result's is a name, and text.
            return;
        }

        ReadOnlySpan<byte> type = default, media = default;
        Utf8JsonReader data = default;
        bool hasData = false;
        bool hasContent = false;
        while (ahead.Read() && ahead.TokenType == JsonTokenType.PropertyName)
        {
            bool isType = ahead.ValueTextEquals("type"u8), isMedia = ahead.ValueTextEquals("media_type"u8), isData = ahead.ValueTextEquals("data"u8);
            hasContent |= ahead.ValueTextEquals("content"u8);
            ahead.Read();
            if (ahead.TokenType == JsonTokenType.String)
            {
                type = isType ? ahead.ValueSpan : type;
                media = isMedia ? ahead.ValueSpan : media;
                if (isData)
                {
                    data = ahead;
                    hasData = true;
                }
            }

            ahead.Skip();
        }

        if (!hasData)
        {
            return;
        }

        if (type.SequenceEqual("text"u8))
        {
            Add(ref data);
        }
        else if (media.StartsWith("image/"u8))
        {
            int start = _images.WrittenCount;
            _images.Write("data:"u8);
            _images.Write(media);
            _images.Write(";base64,"u8);
            Copy(ref data, _images);
            _imageRanges.Add(start.._images.WrittenCount);
        }
        else
        {
            HasOther = true;
        }

        if (!hasContent)
        {
            reader = ahead;
        }
    }

    private void Add(ref Utf8JsonReader reader)
    {
        Copy(ref reader, _text);
        _text.Write("\n"u8);
    }

    private static void Copy(ref Utf8JsonReader reader, SensitiveBuffer into)
    {
        Span<byte> room = into.GetSpan(Math.Max(1, reader.ValueSpan.Length));
        try
        {
            into.Advance(reader.CopyString(room));
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair, which is JSON and no text: judged as it is written.
            into.Write(reader.ValueSpan);
        }
    }

    private static Place PlaceOf(ref Utf8JsonReader reader, Place above, Operation operation)
    {
        // No name of the allow-list needs an escape: one that has any is a schema's or a map's, and may be no text at all.
        if (above == Place.Schema || reader.ValueIsEscaped)
        {
            return above;
        }

        if (above == Place.Image)
        {
            return reader.ValueTextEquals("url"u8) ? Place.Image : Place.NotRead;
        }

        if (reader.ValueTextEquals("image_url"u8))
        {
            return Place.Image;
        }

        if (reader.ValueTextEquals("input_audio"u8) || reader.ValueTextEquals("file_data"u8) || reader.ValueTextEquals("file_url"u8))
        {
            return Place.Other;
        }

        if (reader.ValueTextEquals("parameters"u8) || reader.ValueTextEquals("output_schema"u8) || reader.ValueTextEquals("schema"u8))
        {
            return Place.Schema;
        }

        if (operation == Operation.Messages)
        {
            if (reader.ValueTextEquals("input"u8) || reader.ValueTextEquals("input_schema"u8) || reader.ValueTextEquals("input_examples"u8))
            {
                return Place.Schema;
            }

            // What the provider encrypted or signed itself, and only takes back as it was.
            if (reader.ValueTextEquals("tool_use_id"u8) || reader.ValueTextEquals("signature"u8) || reader.ValueTextEquals("data"u8) || reader.ValueTextEquals("media_type"u8))
            {
                return Place.NotRead;
            }
        }

        return reader.ValueTextEquals("model"u8) || reader.ValueTextEquals("role"u8) || reader.ValueTextEquals("type"u8) || reader.ValueTextEquals("id"u8)
            || reader.ValueTextEquals("call_id"u8) || reader.ValueTextEquals("tool_call_id"u8) || reader.ValueTextEquals("status"u8)
            || reader.ValueTextEquals("encrypted_content"u8) || reader.ValueTextEquals("encoding_format"u8)
            ? Place.NotRead
            : above == Place.Other ? Place.Other : Place.Text;
    }

    private enum Place : byte
    {
        Text,
        NotRead,
        Image,
        Schema,
        Other,
    }
}
