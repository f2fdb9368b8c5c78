using System.Globalization;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>An inference server that was found on this machine.</summary>
/// <param name="Program">What it says it is, or what usually listens there.</param>
/// <param name="BaseUrl">Up to and with <c>/v1</c>.</param>
/// <param name="Health">How its health is checked.</param>
/// <param name="Models">The models it lists, in its order; may be empty.</param>
public sealed record LocalServer(string Program, Uri BaseUrl, HealthKind Health, IReadOnlyList<string> Models)
{
    /// <summary>The first model that answers prompts, as far as names tell, and that a plan can name; null if there is none.</summary>
    public string? ChatModel => Models.FirstOrDefault(model =>
        !model.Contains("embed", StringComparison.OrdinalIgnoreCase) && !model.Contains("rerank", StringComparison.OrdinalIgnoreCase)
        && model.Length is > 0 and <= Plan.MaxModelLength && !model.AsSpan().ContainsAnyExceptInRange('!', '~'));
}

/// <summary>
/// Looks for llama.cpp, vLLM, Ollama and LM Studio where they listen if nobody told them otherwise. Asks loopback only, all at once, and waits half a second:
/// whatever listens there sees one <c>GET /v1/models</c> without anything of anybody's.
/// </summary>
public static class LocalServers
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(500);

    /// <summary>The port of each, and what is there by default.</summary>
    internal static readonly IReadOnlyList<(int Port, string Program, HealthKind Health)> Usual =
    [
        (8080, "llama.cpp", HealthKind.LlamaCpp), (8000, "vLLM", HealthKind.Vllm), (11434, "Ollama", HealthKind.Ollama), (1234, "LM Studio", HealthKind.Models),
    ];

    /// <summary>Those that answer now, in the order above.</summary>
    public static Task<IReadOnlyList<LocalServer>> FindAsync(TimeProvider time, CancellationToken cancellationToken) => FindAsync(Usual, time, cancellationToken);

    internal static async Task<IReadOnlyList<LocalServer>> FindAsync(
        IReadOnlyList<(int Port, string Program, HealthKind Health)> places, TimeProvider time, CancellationToken cancellationToken)
    {
        LocalServer?[] found = await Task.WhenAll(places.Select(place => AskAsync(place.Port, place.Program, place.Health, time, cancellationToken)));
        return [.. found.OfType<LocalServer>()];
    }

    private static async Task<LocalServer?> AskAsync(int port, string program, HealthKind health, TimeProvider time, CancellationToken cancellationToken)
    {
        var address = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/v1"));
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ActivityHeadersPropagator = null, MaxResponseHeadersLength = 32 };
        using var http = new HttpMessageInvoker(handler);
        using var limit = new CancellationTokenSource(s_patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address + "/models");
            using HttpResponseMessage response = await http.SendAsync(request, either.Token);
            if (!response.IsSuccessStatusCode)
            {
                return null;
            }

            byte[] answer = new byte[256 << 10];
            int length = await (await response.Content.ReadAsStreamAsync(either.Token)).ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, either.Token);
            return Read(answer.AsSpan(0, length), address, program, health);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException)
        {
            // The last of them for a string that is JSON and no text.
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
    }

    private static LocalServer? Read(ReadOnlySpan<byte> answer, Uri address, string program, HealthKind health)
    {
        if (HealthProbe.ReadNames(answer, "data", "id") is null)
        {
            return null;
        }

        var reader = new Utf8JsonReader(answer);
        using JsonDocument document = JsonDocument.ParseValue(ref reader);
        List<string> models = [];
        foreach (JsonElement item in document.RootElement.GetProperty("data").EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("id", out JsonElement id) && id.ValueKind == JsonValueKind.String && BackendOptions.IsModelName(id.GetString()!))
            {
                models.Add(id.GetString()!);
                // Who listens on another's port says so here.
                (program, health) = (item.TryGetProperty("owned_by", out JsonElement owner) && owner.ValueKind == JsonValueKind.String ? owner.GetString() : null) switch
                {
                    "llamacpp" => ("llama.cpp", HealthKind.LlamaCpp),
                    "vllm" => ("vLLM", HealthKind.Vllm),
                    "library" => ("Ollama", HealthKind.Ollama),
                    "organization_owner" => ("LM Studio", HealthKind.Models),
                    _ => (program, health),
                };
            }
        }

        return new LocalServer(program, address, health, models);
    }
}
