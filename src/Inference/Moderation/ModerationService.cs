using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference;

internal enum ServiceVerdict
{
    Clear,
    Flagged,

    /// <summary>It did not answer, or failed.</summary>
    Failed,

    /// <summary>It refuses this very content, so that asking again is no use.</summary>
    Rejected,
}

/// <summary>
/// Asks a service of OpenAI's moderation API (platform.openai.com/docs/api-reference/moderations). It is sent text and images, and nothing that says who
/// asks or which requests belong together.
/// </summary>
internal sealed class ModerationService : IDisposable
{
    private const int MaxAnswerBytes = 1 << 20;
    private const int MaxInputsPerCall = 32;
    private const int MaxCallsAtOnce = 8;

    /// <summary>How much of a piece the next one repeats, so that what lies across the cut is seen whole.</summary>
    private const int Overlap = 256;

    private readonly ModerationServiceOptions _options;
    private readonly Uri _address;
    private readonly HttpMessageInvoker _http;
    private readonly SemaphoreSlim _calls = new(MaxCallsAtOnce);
    private readonly TimeProvider _time;

    public ModerationService(ModerationServiceOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _address = new Uri(options.BaseUrl.AbsoluteUri.TrimEnd('/') + "/moderations");
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = false,
            ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            MaxResponseHeadersLength = 32,
        });
    }

    public async Task<ServiceVerdict> JudgeAsync(PromptContent content, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        var calls = new List<Task<ServiceVerdict>>();
        List<Range> pieces = Cut(content.Text.Span, _options.MaxInputBytes);
        for (int first = 0; first < pieces.Count; first += MaxInputsPerCall)
        {
            calls.Add(AskAsync(WriteTexts(content.Text.Span, pieces[first..Math.Min(first + MaxInputsPerCall, pieces.Count)]), either.Token));
        }

        for (int i = 0; i < Math.Min(content.Images, _options.MaxImages); i++)
        {
            calls.Add(AskAsync(WriteImage(content.Image(i)), either.Token));
        }

        ServiceVerdict[] verdicts = await Task.WhenAll(calls);
        cancellationToken.ThrowIfCancellationRequested();
        return verdicts.Contains(ServiceVerdict.Flagged) ? ServiceVerdict.Flagged
            : verdicts.Contains(ServiceVerdict.Rejected) ? ServiceVerdict.Rejected
            : verdicts.Contains(ServiceVerdict.Failed) ? ServiceVerdict.Failed
            : ServiceVerdict.Clear;
    }

    public void Dispose()
    {
        _http.Dispose();
        _calls.Dispose();
    }

    /// <summary>Pieces of at most <paramref name="size"/> bytes that begin and end between characters.</summary>
    internal static List<Range> Cut(ReadOnlySpan<byte> text, int size)
    {
        var pieces = new List<Range>();
        int start = 0;
        while (start < text.Length)
        {
            int end = Math.Min(start + size, text.Length);
            while (end < text.Length && IsInside(text[end]))
            {
                end--;
            }

            pieces.Add(start..end);
            if (end == text.Length)
            {
                break;
            }

            start = end - Overlap;
            while (IsInside(text[start]))
            {
                start--;
            }
        }

        return pieces;

        static bool IsInside(byte value) => (value & 0xC0) == 0x80;
    }

    /// <summary>Owns <paramref name="body"/>.</summary>
    private async Task<ServiceVerdict> AskAsync(SensitiveBuffer body, CancellationToken cancellationToken)
    {
        using SensitiveBuffer owned = body;
        try
        {
            await _calls.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return ServiceVerdict.Failed;
        }

        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _address) { Content = new ReadOnlyMemoryContent(body.WrittenMemory) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.Json);
            request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Json);
            if (_options.Key is { } key)
            {
                request.Headers.TryAddWithoutValidation("Authorization", key.Authorization);
            }

            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                // A key or a rate that is refused is the operator's trouble; any other 4xx is about what was sent.
                return (int)response.StatusCode is >= 400 and < 500 and not (401 or 402 or 403 or 404 or 408 or 429) ? ServiceVerdict.Rejected : ServiceVerdict.Failed;
            }

            using var answer = new SensitiveBuffer(4096);
            Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            int read;
            while ((read = await stream.ReadAsync(answer.GetMemory(4096), cancellationToken)) > 0)
            {
                answer.Advance(read);
                if (answer.WrittenCount > MaxAnswerBytes)
                {
                    return ServiceVerdict.Failed;
                }
            }

            return Read(answer.WrittenSpan);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or JsonException)
        {
            return ServiceVerdict.Failed;
        }
        finally
        {
            _calls.Release();
        }
    }

    private ServiceVerdict Read(ReadOnlySpan<byte> answer)
    {
        var reader = new Utf8JsonReader(answer);
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        if (document.RootElement.ValueKind != JsonValueKind.Object
            || !document.RootElement.TryGetProperty("results", out JsonElement results) || results.ValueKind != JsonValueKind.Array || results.GetArrayLength() == 0)
        {
            return ServiceVerdict.Failed;
        }

        bool flagged = false;
        foreach (JsonElement result in results.EnumerateArray())
        {
            if (result.ValueKind != JsonValueKind.Object || !result.TryGetProperty("flagged", out JsonElement flag) || flag.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
            {
                return ServiceVerdict.Failed;
            }

            flagged |= flag.GetBoolean() && (_options.Categories.Count == 0 || IsListed(result));
        }

        return flagged ? ServiceVerdict.Flagged : ServiceVerdict.Clear;
    }

    private bool IsListed(JsonElement result)
    {
        // Flagged, and it does not say by what: then by anything.
        if (!result.TryGetProperty("categories", out JsonElement categories) || categories.ValueKind != JsonValueKind.Object)
        {
            return true;
        }

        foreach (string category in _options.Categories)
        {
            if (categories.TryGetProperty(category, out JsonElement value) && value.ValueKind == JsonValueKind.True)
            {
                return true;
            }
        }

        return false;
    }

    private SensitiveBuffer WriteTexts(ReadOnlySpan<byte> text, List<Range> pieces)
    {
        var body = new SensitiveBuffer(text.Length + 256);
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteString("model", _options.Model);
        json.WriteStartArray("input");
        foreach (Range piece in pieces)
        {
            json.WriteStringValue(text[piece]);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        return body;
    }

    private SensitiveBuffer WriteImage(ReadOnlySpan<byte> url)
    {
        var body = new SensitiveBuffer(url.Length + 256);
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteString("model", _options.Model);
        json.WriteStartArray("input");
        json.WriteStartObject();
        json.WriteString("type", "image_url");
        json.WriteStartObject("image_url");
        json.WriteString("url"u8, url);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        return body;
    }
}
