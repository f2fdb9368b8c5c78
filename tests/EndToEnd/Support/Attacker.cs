using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Support;

/// <summary>A client that keeps to no rule: speaks HTTP to issuer and gateway, and counts the prompts it got answered.</summary>
internal sealed class Attacker : IDisposable
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler());
    private readonly WholeSystem _system;
    private readonly string _accountKey;
    private int _bodies;
    private int _answered;

    private Attacker(WholeSystem system, string accountKey, IssuerDirectory directory)
    {
        _system = system;
        _accountKey = accountKey;
        Directory = directory;
    }

    public IssuerDirectory Directory { get; }

    /// <summary>Distinct bodies that were answered.</summary>
    public int Answered => _answered;

    public static async Task<Attacker> StartAsync(WholeSystem system, string accountKey)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(system.Issuer.Address, Routes.IssuerDirectory));
        using HttpResponseMessage response = await http.SendAsync(request, CancellationToken.None);
        Assert.True(IssuerDirectory.TryParse(await response.Content.ReadAsByteArrayAsync(), out IssuerDirectory? directory, out _));
        return new Attacker(system, accountKey, directory!);
    }

    public TokenPublicKey KeyOf(string plan)
    {
        PlanKey key = Directory.FindPlan(plan)!.Keys[0];
        DirectoryTokenKey found = Directory.FindTokenKey(key.TokenKeyId)!;
        Assert.True(TokenPublicKey.TryImport(found.Type, found.SubjectPublicKeyInfo, key.Extensions, out TokenPublicKey? made));
        return made!;
    }

    public byte[] Digest(TokenType type, string gateway = WholeSystem.GatewayName) => TokenChallenge.ForGateway(type, Directory.IssuerName, gateway).Digest();

    public TokenIssuance Begin(string plan, string gateway = WholeSystem.GatewayName)
    {
        TokenPublicKey key = KeyOf(plan);
        using TokenSecrets secrets = TokenSecrets.CreateRandom();
        return TokenIssuance.Begin(key, Digest(key.Type, gateway), secrets);
    }

    /// <summary>Asks for signatures in one batch; null where the issuer gave none, or refused the whole batch.</summary>
    public Task<IReadOnlyList<BatchTokenResponse?>?> RequestAsync(IReadOnlyList<TokenRequest> requests, string route = Routes.TokenRequest) =>
        RequestAsync(GenericBatchRequest.Create(requests).Encode(), route);

    /// <summary>The same with bytes that may be no batch.</summary>
    public async Task<IReadOnlyList<BatchTokenResponse?>?> RequestAsync(byte[] batch, string route = Routes.TokenRequest)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_system.Issuer.Address, route))
        {
            Content = new ByteArrayContent(batch),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.GenericBatchRequest);
        message.Headers.TryAddWithoutValidation("Authorization", "Bearer " + _accountKey);
        using HttpResponseMessage response = await _http.SendAsync(message, CancellationToken.None);
        return (int)response.StatusCode == 200 && GenericBatchResponse.TryParse(await response.Content.ReadAsByteArrayAsync(), out GenericBatchResponse? signed)
            ? signed.Responses
            : null;
    }

    /// <summary>An honest purchase of so many tokens.</summary>
    public async Task<List<Token>> BuyAsync(string plan, int count, string gateway = WholeSystem.GatewayName)
    {
        TokenIssuance[] issuances = [.. Enumerable.Range(0, count).Select(_ => Begin(plan, gateway))];
        IReadOnlyList<BatchTokenResponse?>? responses = await RequestAsync([.. issuances.Select(issuance => issuance.Request)]);
        Assert.NotNull(responses);
        List<Token> tokens = [];
        foreach ((TokenIssuance issuance, BatchTokenResponse? response) in issuances.Zip(responses))
        {
            Assert.True(issuance.TryFinalize(response!.BlindSignature.Span, out Token? token));
            tokens.Add(token);
            issuance.Dispose();
        }

        return tokens;
    }

    /// <summary>Presents a token with a body that no one has sent before.</summary>
    /// <returns>The status, 200 having been counted as answered.</returns>
    public async Task<int> RedeemAsync(ReadOnlyMemory<byte> token, byte[]? extensions = null, int padding = 0)
    {
        string text = $"body {Interlocked.Increment(ref _bodies)} {new string('x', padding)}";
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_system.Gateway.Address, Routes.ChatCompletions))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes($$"""{"model":"{{WholeSystem.Model}}","messages":[{"role":"user","content":"{{text}}"}]}""")),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        message.Headers.TryAddWithoutValidation("Authorization", PrivateTokenHeader.FormatAuthorization(token.Span, extensions));
        using HttpResponseMessage response = await _http.SendAsync(message, CancellationToken.None);
        await response.Content.ReadAsByteArrayAsync();
        if ((int)response.StatusCode == 200)
        {
            Interlocked.Increment(ref _answered);
        }

        return (int)response.StatusCode;
    }

    /// <summary>Presents a chain token with a body that no one has sent before and this successor; the status, and the next token where there is one.</summary>
    public async Task<(int Status, Token? Next)> ChainAsync(Token token, string plan, TokenIssuance successor)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_system.Gateway.Address, Routes.ChatCompletions))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(
                $$"""{"model":"{{WholeSystem.Model}}","messages":[{"role":"user","content":"body {{Interlocked.Increment(ref _bodies)}}"}]}""")),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        message.Headers.TryAddWithoutValidation("Authorization", PrivateTokenHeader.FormatAuthorization(token.Encoded.Span, ExtensionsOf(plan)));
        message.Headers.Add(Routes.SuccessorHeader, ChainHeaders.FormatSuccessor(successor.Request));
        using HttpResponseMessage response = await _http.SendAsync(message, CancellationToken.None);
        await response.Content.ReadAsByteArrayAsync();
        if ((int)response.StatusCode == 200)
        {
            Interlocked.Increment(ref _answered);
        }

        Token? next = (response.TrailingHeaders.TryGetValues(Routes.RenewalTrailer, out IEnumerable<string>? values)
                || response.Headers.TryGetValues(Routes.RenewalTrailer, out values))
            && ChainHeaders.TryParseRenewal(values.Single(), out byte[]? signature) && successor.TryFinalize(signature, out Token? made)
                ? made
                : null;
        return ((int)response.StatusCode, next);
    }

    /// <summary>Asks for the renewal of a chain token; the signature, or null where the gateway refuses.</summary>
    public async Task<byte[]?> RenewAsync(Token token, string plan, TokenRequest successor, byte[]? extensions = null)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_system.Gateway.Address, Routes.Exchange))
        {
            Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(
                ExchangeRequest.Create(token, extensions ?? ExtensionsOf(plan), successor), GatewayJson.Default.ExchangeRequest)),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await _http.SendAsync(message, CancellationToken.None);
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        return (int)response.StatusCode == 200 && JsonSerializer.Deserialize(body, GatewayJson.Default.ExchangeResponse)!.TryDecode(out byte[]? signature) ? signature : null;
    }

    public Task<int> RedeemAsync(Token token, string plan) => RedeemAsync(token.Encoded, ExtensionsOf(plan));

    public byte[]? ExtensionsOf(string plan) => Directory.FindPlan(plan)!.Keys[0].Extensions;

    /// <summary>Exchanges a token for a successor; null where the gateway refuses.</summary>
    public async Task<Token?> ExchangeAsync(Token token, string plan)
    {
        using TokenIssuance successor = Begin(plan);
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_system.Gateway.Address, Routes.Exchange))
        {
            Content = new ByteArrayContent(
                JsonSerializer.SerializeToUtf8Bytes(ExchangeRequest.Create(token, ExtensionsOf(plan), successor.Request), GatewayJson.Default.ExchangeRequest)),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await _http.SendAsync(message, CancellationToken.None);
        byte[] body = await response.Content.ReadAsByteArrayAsync();
        return (int)response.StatusCode == 200 && JsonSerializer.Deserialize(body, GatewayJson.Default.ExchangeResponse)!.TryDecode(out byte[]? signature)
            && successor.TryFinalize(signature, out Token? made)
            ? made
            : null;
    }

    public void Dispose() => _http.Dispose();
}
