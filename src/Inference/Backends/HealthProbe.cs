using System.Buffers;
using System.Net;
using System.Text.Json;

namespace Tacit.Inference;

/// <summary>What one look at a backend found.</summary>
/// <param name="Fault">None if it is well. A key that is refused is told and does not take it down: other keys may do.</param>
/// <param name="Status">What the server answered where that is the fault; 0 otherwise.</param>
/// <param name="Models">Its own names of the models it has; null where it does not matter or was not told.</param>
internal sealed record HealthFinding(BackendFault Fault, int Status = 0, IReadOnlySet<string>? Models = null)
{
    public bool IsWell => Fault is BackendFault.None or BackendFault.KeyRefused;
}

/// <summary>Looks once whether a backend is well and its models are loaded, by the questions that its kind of server answers. Sends nothing of any caller's.</summary>
/// <param name="http">The backend's connections, so that what its requests would meet is met here.</param>
/// <param name="authorize">Puts a key to a request, for servers that guard their lists too.</param>
/// <param name="api">Anthropic's list has models by their full names only, while requests may use shorter ones: there it matters that there is a list.</param>
internal sealed class HealthProbe(HealthKind kind, BackendHttp http, Action<HttpRequestMessage> authorize, BackendKind api = BackendKind.OpenAI)
{
    private const int MaxAnswerBytes = 1 << 20;

    private static readonly HealthFinding s_keyRefused = new(BackendFault.KeyRefused);

    /// <exception cref="OperationCanceledException">It was stopped, or took too long.</exception>
    public async Task<HealthFinding> LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            return kind switch
            {
                HealthKind.LlamaCpp => await AskHealthAsync(cancellationToken) ?? await AskListAsync(http.Address.Base + "/models", "data", "id", namesMatter: false, cancellationToken),
                HealthKind.Vllm => await AskHealthAsync(cancellationToken) ?? await AskListAsync(http.Address.Base + "/models", "data", "id", namesMatter: true, cancellationToken),
                HealthKind.Ollama => await AskListAsync(http.Address.Root + "/api/tags", "models", "name", namesMatter: true, cancellationToken),
                _ => await AskListAsync(http.Address.Base + "/models", "data", "id", namesMatter: api != BackendKind.Anthropic, cancellationToken),
            };
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new HealthFinding(http.FaultOf(e));
        }
        catch (OperationCanceledException e) when (e.InnerException is TimeoutException)
        {
            return new HealthFinding(BackendFault.ConnectTimeout);
        }
    }

    private async Task<HealthFinding?> AskHealthAsync(CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await GetAsync(http.Address.Root + "/health", cancellationToken);
        return response.StatusCode switch
        {
            HttpStatusCode.OK => null,
            // llama.cpp says 503 while its model is loading.
            HttpStatusCode.ServiceUnavailable when kind == HealthKind.LlamaCpp => new HealthFinding(BackendFault.ModelLoading, 503),
            _ => new HealthFinding(BackendFault.Status, (int)response.StatusCode),
        };
    }

    private async Task<HealthFinding> AskListAsync(string address, string list, string name, bool namesMatter, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await GetAsync(address, cancellationToken);
        switch ((int)response.StatusCode)
        {
            case 200:
                break;
            case 401 or 402 or 403 or 429:
                return s_keyRefused;
            case var status:
                return new HealthFinding(BackendFault.Status, status);
        }

        byte[] answer = ArrayPool<byte>.Shared.Rent(MaxAnswerBytes);
        try
        {
            int length = await (await response.Content.ReadAsStreamAsync(cancellationToken)).ReadAtLeastAsync(answer.AsMemory(0, MaxAnswerBytes), MaxAnswerBytes, throwOnEndOfStream: false, cancellationToken);
            return length < MaxAnswerBytes && ReadNames(answer.AsSpan(0, length), list, name) is { } models
                ? new HealthFinding(models.Count > 0 ? BackendFault.None : BackendFault.ModelMissing, 0, namesMatter ? models : null)
                : new HealthFinding(BackendFault.NotAnAnswer);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(answer);
        }
    }

    private async Task<HttpResponseMessage> GetAsync(string address, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address) { Version = http.Version };
        request.Headers.TryAddWithoutValidation("Accept", "application/json");
        authorize(request);
        HttpResponseMessage response = await http.SendAsync(request, cancellationToken);
        http.HasAnswered();
        return response;
    }

    /// <summary>The names in a list of objects; null if it is none.</summary>
    internal static HashSet<string>? ReadNames(ReadOnlySpan<byte> json, string list, string name)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty(list, out JsonElement items) || items.ValueKind != JsonValueKind.Array)
            {
                return null;
            }

            var names = new HashSet<string>(StringComparer.Ordinal);
            foreach (JsonElement item in items.EnumerateArray())
            {
                if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String)
                {
                    string text = value.GetString()!;
                    names.Add(text);
                    if (text.EndsWith(":latest", StringComparison.Ordinal))
                    {
                        // Ollama's default tag, which requests may leave out.
                        names.Add(text[..^":latest".Length]);
                    }
                }
            }

            return names;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
