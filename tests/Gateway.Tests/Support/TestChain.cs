using System.Net;
using System.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests.Support;

/// <summary>One chain of a subscription, as its holder moves it: a token, and the blinded next one.</summary>
internal sealed class TestChain
{
    private readonly TestGateway _gateway;
    private readonly string _plan;
    private readonly int _key;
    private Func<byte[], TestToken?> _finish = _ => null;

    public TestChain(TestGateway gateway, string plan = "monthly", int key = 0, TestToken? token = null)
    {
        (_gateway, _plan, _key) = (gateway, plan, key);
        Token = token ?? gateway.Issuer.CreateToken(plan, key);
        Successor = null!;
        Blind();
    }

    public TestToken Token { get; private set; }

    public TokenRequest Successor { get; private set; }

    public static async Task<TestGateway> StartAsync(Action<TestGateway>? prepare = null) => await TestGateway.CreateAsync(gateway =>
    {
        gateway.Issuer.AddPlan(TestGateway.MonthlyPlan, TestGateway.March);
        prepare?.Invoke(gateway);
    });

    public Task<HttpResponseMessage> AskAsync(string? body = null, TokenRequest? successor = null, string path = Routes.ChatCompletions) =>
        _gateway.SendAsync(
            HttpMethod.Post, path, body ?? TestGateway.Body(), Token.Header, headers => headers.Add(Routes.SuccessorHeader, ChainHeaders.FormatSuccessor(successor ?? Successor)));

    public Task<HttpResponseMessage> ExchangeAsync(TokenRequest? successor = null) => _gateway.SendAsync(
        HttpMethod.Post, Routes.Exchange,
        Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(
            ExchangeRequest.Create(Token.Token, Token.Extensions, successor ?? Successor), GatewayJson.Default.ExchangeRequest)));

    /// <summary>Exchanges until the request has ended, as a client does.</summary>
    public async Task<byte[]> ExchangeUntilEndedAsync()
    {
        while (true)
        {
            using HttpResponseMessage response = await ExchangeAsync();
            if (response.StatusCode != HttpStatusCode.Conflict)
            {
                return await SignatureAsync(response);
            }

            await response.IsErrorAsync(409, ErrorCodes.RequestInFlight, Routes.TokenInFlight);
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    public static async Task<byte[]> SignatureAsync(HttpResponseMessage response)
    {
        string text = await response.TextAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        Assert.True(JsonSerializer.Deserialize(text, GatewayJson.Default.ExchangeResponse)!.TryDecode(out byte[]? signature));
        return signature;
    }

    /// <summary>The renewal behind a response that was read to its end, or in its head; null if there is none.</summary>
    public static byte[]? RenewalOf(HttpResponseMessage response)
    {
        if (!response.TrailingHeaders.TryGetValues(Routes.RenewalTrailer, out IEnumerable<string>? values)
            && !response.Headers.TryGetValues(Routes.RenewalTrailer, out values))
        {
            return null;
        }

        Assert.True(ChainHeaders.TryParseRenewal(Assert.Single(values), out byte[]? signature));
        return signature;
    }

    /// <summary>Goes on with the next token.</summary>
    public void Move(byte[]? renewal)
    {
        Assert.NotNull(renewal);
        Token = _finish(renewal) ?? throw new InvalidOperationException("The renewal is not the successor's.");
        Blind();
    }

    /// <summary>Another successor than the one before, for the same token.</summary>
    public TokenRequest Blind()
    {
        TokenRequest before = Successor;
        (Successor, _finish) = _gateway.Issuer.CreateSuccessor(_plan, _key);
        return before;
    }
}
