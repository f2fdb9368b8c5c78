using System.Net.Http.Headers;
using System.Text.Json;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary><c>POST /v1/exchange</c>: a token and its blinded successor, alone on a connection of their own.</summary>
internal sealed class ExchangeCall(DirectoryClient directory, Func<DirectoryGateway, Route> route, AnonymousCaller caller)
{
    private const int MaxReplyBytes = 64 * 1024;

    /// <exception cref="TransportException">No answer came.</exception>
    public async Task<ServiceReply> PostAsync(TokenExchange exchange, TokenRequest successor, CancellationToken cancellationToken)
    {
        IssuerDirectory current = await directory.CurrentAsync(cancellationToken);
        Route way = route(SeriesCatalog.Gateway(current, exchange.Series.Gateway));
        if (!Token.TryParse(exchange.Token, out Token? token))
        {
            throw new ClientException(ClientError.JournalCorrupt, "A stored token cannot be read.");
        }
        using (token)
        {
            byte[] body = JsonSerializer.SerializeToUtf8Bytes(
                ExchangeRequest.Create(token, exchange.Series.Extensions, successor), GatewayJson.Default.ExchangeRequest);
            using var request = new HttpRequestMessage(HttpMethod.Post, way.Resolve(Routes.Exchange));
            request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Json);
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.Json);
            return await caller.SendAsync(way, request, MaxReplyBytes, cancellationToken);
        }
    }

    /// <summary>The token that the answer finishes; false if it holds no signature of this request.</summary>
    public static bool TryFinish(byte[] body, BlindedToken blinded, out byte[] token)
    {
        token = [];
        try
        {
            return JsonSerializer.Deserialize(body, GatewayJson.Default.ExchangeResponse) is ExchangeResponse response
                && response.TryDecode(out byte[]? signature) && blinded.TryFinish(signature, out token);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
