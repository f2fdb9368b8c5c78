using System.Net.Http.Headers;
using System.Text;
using Tacit.Client;
using Tacit.Protocol;

namespace Tacit.Bench.Paper;

/// <summary>Asks the one question of the experiment: as anyone would with a provider's key, or with the wallet.</summary>
internal sealed class Asker : IDisposable
{
    private static readonly byte[] s_question = Encoding.UTF8.GetBytes(
        $$"""{"model":"{{Provider.Model}}","messages":[{"role":"user","content":"What is a partially blind signature, and what is it good for?"}]}""");

    // As long as a key of OpenAI's first form; what it issues now is three times that.
    private static readonly string s_providerKey = "sk-" + new string('0', 48);

    private readonly Operator _all;

    /// <summary>Keeps its connection, as SDKs do. The wallet opens one for each question that belongs to no conversation (law 9), and pays for it in time.</summary>
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null });

    private Task _closing = Task.CompletedTask;

    internal Asker(Operator all) => _all = all;

    /// <summary>Straight to the provider, with no header that is not needed: a usual SDK sends some 400 bytes more.</summary>
    internal Task PlainAsync(CancellationToken cancellationToken) => PostAsync("/v1/chat/completions", cancellationToken);

    /// <summary>The bytes of a provider's response with the headers that OpenAI documents, which a gateway does not pass on.</summary>
    internal async Task<long> HeaderBytesAsync(CancellationToken cancellationToken)
    {
        Traffic before = _all.ToProvider.Passed;
        await PostAsync(Provider.WithHeaders, cancellationToken);
        return (_all.ToProvider.Passed - before).Received;
    }

    /// <summary>
    /// Through the gateway, from the call of the wallet until the reply is there to its last byte. As in the app, who asked may then ask again, while the wallet still
    /// verifies the chain's next link and closes the request: the next question, asked at once, waits for as much of that as it needs.
    /// </summary>
    internal async Task PaidAsync(string plan, CancellationToken cancellationToken)
    {
        PromptReply reply = await _all.Client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, s_question, Plan: plan), cancellationToken);
        byte[] block = new byte[16 * 1024];
        int length = 0;
        int read;
        while ((read = await reply.ReadAsync(block, cancellationToken)) > 0)
        {
            length += read;
        }

        _closing = CloseAsync(reply, _closing, cancellationToken);
        Check(reply.Status == 200 && reply.Plan == plan && length > Provider.BodyBytes / 2);
    }

    /// <summary>Everything that was asked is closed, and durably so.</summary>
    internal Task SettleAsync() => _closing;

    public void Dispose() => _http.Dispose();

    private static async Task CloseAsync(PromptReply reply, Task before, CancellationToken cancellationToken)
    {
        await using PromptReply delivered = reply;
        await delivered.CompleteAsync(cancellationToken);
        await before;
    }

    private static void Check(bool answered)
    {
        if (!answered)
        {
            throw new InvalidOperationException("A question was not answered as it should be; the figures would mean nothing.");
        }
    }

    private async Task PostAsync(string path, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_all.ToProvider.Address, path)) { Content = new ByteArrayContent(s_question) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.Json);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + s_providerKey);
        request.Headers.TryAddWithoutValidation("Accept", "application/json");
        using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
        byte[] body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        Check((int)response.StatusCode == 200 && body.Length == Provider.BodyBytes);
    }
}
