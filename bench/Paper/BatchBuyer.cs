using System.Net.Http.Headers;
using Tacit.Protocol;

namespace Tacit.Bench.Paper;

/// <summary>Buys tickets of one plan in one HTTP request: blinds, asks, finalizes. The account's credits are debited durably before the answer comes.</summary>
internal sealed class BatchBuyer : IDisposable
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null });
    private readonly Operator _all;
    private readonly int _size;
    private TokenPublicKey? _key;
    private byte[] _digest = [];

    internal BatchBuyer(Operator all, int size)
    {
        _all = all;
        _size = size;
    }

    internal async Task ChooseAsync(Plan plan, CancellationToken cancellationToken)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        foreach (SignerKey key in await _all.Signer.GetKeysAsync(cancellationToken))
        {
            if (key.Plans.FirstOrDefault(live => live.PlanId == plan.Id && live.IsLiveAt(now)) is PlanKey live
                && TokenPublicKey.TryImport(key.Type, key.SubjectPublicKeyInfo, live.Extensions, out _key))
            {
                _digest = TokenChallenge.ForGateway(key.Type, Operator.IssuerName, Operator.GatewayName).Digest();
                return;
            }
        }

        throw new InvalidOperationException("The signer has no key of this plan.");
    }

    /// <returns>The time of it all, and that of the request in it.</returns>
    internal async Task<(TimeSpan All, TimeSpan Request)> BuyAsync(CancellationToken cancellationToken)
    {
        long started = TimeProvider.System.GetTimestamp();
        TokenIssuance[] issuances = [.. Enumerable.Range(0, _size).Select(_ => Begin())];
        byte[] batch = GenericBatchRequest.Create([.. issuances.Select(issuance => issuance.Request)]).Encode();

        long asked = TimeProvider.System.GetTimestamp();
        byte[] answer = await PostAsync(batch, cancellationToken);
        TimeSpan request = TimeProvider.System.GetElapsedTime(asked);

        bool isWhole = GenericBatchResponse.TryParse(answer, out GenericBatchResponse? signed) && signed.Responses.Count == _size;
        for (int i = 0; i < _size && isWhole; i++)
        {
            isWhole = signed!.Responses[i] is { } response && issuances[i].TryFinalize(response.BlindSignature.Span, out _);
        }

        TimeSpan all = TimeProvider.System.GetElapsedTime(started);
        Array.ForEach(issuances, issuance => issuance.Dispose());
        return isWhole ? (all, request) : throw new InvalidOperationException("The issuer did not sign; its figure would mean nothing.");
    }

    public void Dispose()
    {
        _http.Dispose();
        _key?.Dispose();
    }

    private TokenIssuance Begin()
    {
        using TokenSecrets secrets = TokenSecrets.CreateRandom();
        return TokenIssuance.Begin(_key!, _digest, secrets);
    }

    private async Task<byte[]> PostAsync(byte[] batch, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_all.ToIssuer.Address, Routes.TokenRequest)) { Content = new ByteArrayContent(batch) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _all.AccountKey);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.GenericBatchRequest);
        using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
        return response.EnsureSuccessStatusCode().Content is HttpContent content ? await content.ReadAsByteArrayAsync(cancellationToken) : [];
    }
}
