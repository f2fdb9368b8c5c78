using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Tacit.Hosting;

namespace Tacit.Issuer.Payments.Providers;

/// <summary>Calls of a provider's HTTP API, with its key and within a time.</summary>
internal sealed class ProviderApi : IDisposable
{
    private const int MaxAnswerBytes = 1 << 20;

    private readonly string _provider;
    private readonly HttpClient _http;

    public ProviderApi(string provider, Uri address, SecretBytes key, TimeSpan timeout, (string Name, string Value) version)
    {
        _provider = provider;
#pragma warning disable RS0030 // One client for the role's life, to one host; its connections are renewed below.
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        })
        {
            BaseAddress = address.AbsoluteUri.EndsWith('/') ? address : new Uri(address.AbsoluteUri + "/"),
            Timeout = timeout,
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
#pragma warning restore RS0030
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Encoding.ASCII.GetString(key.Span));
        _http.DefaultRequestHeaders.Add(version.Name, version.Value);
    }

    /// <exception cref="PaymentProviderException">No answer in time, a refusal, or an answer that is no JSON.</exception>
    public async Task<JsonDocument> PostAsync(string path, HttpContent content, string? idempotencyKey, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = content };
        if (idempotencyKey is not null)
        {
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        }

        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            byte[] body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
            // Its error texts may repeat what was sent; the status says enough to look it up there.
            return response.IsSuccessStatusCode
                ? JsonDocument.Parse(body)
                : throw new PaymentProviderException($"{_provider} refused the checkout with status {(int)response.StatusCode}.");
        }
        catch (JsonException e)
        {
            throw Unreadable(e);
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new PaymentProviderException($"{_provider} does not answer.", e);
        }
    }

    /// <exception cref="PaymentProviderException">There is no https address.</exception>
    public Uri ReadUrl(JsonElement element, string name) =>
        NoticeUrl(element, name) is string text && Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && (url.Scheme == Uri.UriSchemeHttps || url.IsLoopback)
            ? url
            : throw Unreadable();

    public PaymentProviderException Unreadable(Exception? inner = null) => new($"{_provider}'s answer is not of the form it must have.", inner);

    public void Dispose() => _http.Dispose();

    /// <summary>Checkout addresses are long.</summary>
    private static string? NoticeUrl(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
