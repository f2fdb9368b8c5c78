using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Tacit.EndToEnd.Support;

/// <summary>Asks an app numbered prompts and keeps the answers.</summary>
internal sealed class Prompter
{
    private int _prompts;

    /// <summary>Answers by prompt; only whole ones.</summary>
    public ConcurrentDictionary<string, string> Answered { get; } = new();

    public string NextPrompt() => string.Create(CultureInfo.InvariantCulture, $"prompt {Interlocked.Increment(ref _prompts)}");

    /// <summary>One program that asks one prompt after another, and the same again until it is answered, as SDKs do.</summary>
    public async Task AskAsync(int port, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            string prompt = NextPrompt();
            for (int attempt = 0; attempt < 8 && !stop.IsCancellationRequested && !await TryAskAsync(port, prompt); attempt++)
            {
                await Task.Delay(100, CancellationToken.None);
            }
        }
    }

    public async Task<bool> TryAskAsync(int port, string prompt)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"http://127.0.0.1:{port}/v1/chat/completions"))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes($$"""{"model":"m","stream":true,"messages":[{"role":"user","content":"{{prompt}}"}]}""")),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        try
        {
            using HttpResponseMessage response = await http.SendAsync(request, CancellationToken.None);
            string text = await response.Content.ReadAsStringAsync(CancellationToken.None);
            if ((int)response.StatusCode != 200 || !text.Contains("data: [DONE]", StringComparison.Ordinal))
            {
                return false;
            }

            string answer = string.Concat(text.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
                .Select(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices")[0].GetProperty("delta").GetProperty("content").GetString()));
            Answered[prompt] = answer;
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return false;
        }
    }
}
