using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// A server that speaks OpenAI's API or Anthropic's. Its requests are built from nothing but the filtered body, a key and constant headers: there is no
/// way for anything else of the caller's to reach it (law 5).
/// </summary>
internal sealed class HttpBackend : IProvider
{
    /// <summary>As much of an error body as is read for its message.</summary>
    private const int MaxErrorBytes = 64 << 10;

    /// <summary>
    /// Of the API's versions the one whose members we list, and which every server that speaks it knows. What a version has it keeps (its page on versions says
    /// so); the one after it dropped the sampling parameters.
    /// </summary>
    private const string AnthropicVersion = "2023-06-01";

    private static readonly TimeSpan DefaultRetryAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(1);

    private readonly BackendHttp _http;
    private readonly Uri[] _addresses;
    private readonly BackendKind _kind;
    private readonly Dictionary<string, (long Input, long Output)> _prices;
    private readonly string? _outputCapMember;
    private readonly ProviderBudgets _budgets;
    private readonly int _maxEventBytes;
    private readonly TimeProvider _time;

    /// <param name="http">Its connections; owned by this from here on.</param>
    public HttpBackend(BackendOptions settings, InferenceOptions options, BackendHttp http, TimeProvider time)
    {
        Name = settings.Name;
        Keys = new KeyRing(settings.Keys, time, settings.KeyBudget);
        _http = http;
        _prices = settings.Prices.ToDictionary(price => price.Key, price => price.Value.PerToken, StringComparer.Ordinal);
        _outputCapMember = settings.OutputCapMember;
        _budgets = settings.Budgets ?? options.Budgets;
        _maxEventBytes = options.MaxEventBytes;
        _time = time;
        _addresses =
        [
            new Uri(http.Address.Base + "/chat/completions"),
            new Uri(http.Address.Base + "/responses"),
            new Uri(http.Address.Base + "/embeddings"),
            new Uri(http.Address.Base + "/messages"),
        ];
        _kind = settings.Kind;
    }

    public string Name { get; }

    public KeyRing Keys { get; }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Attempt> TryAsync(ProviderCall call, string model, KeySlot key)
    {
        call.Clock.Begin(_budgets);
        HttpResponseMessage? response = null;
        var body = new RequestBody(call, model, _outputCapMember);
        bool handedOn = false;
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, _addresses[(int)call.Operation]) { Version = _http.Version, Content = body };
            request.Headers.TryAddWithoutValidation("Accept", call.Stream ? "text/event-stream" : "application/json");
            Authorize(request, key);

            response = await _http.SendAsync(request, call.Clock.Token);
            _http.HasAnswered();
            if (!body.Sending.IsCompleted)
            {
                // How the sending ends does not matter once there is an answer: a server may refuse the rest.
                await body.Sending.WaitAsync(call.Clock.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                call.Clock.Token.ThrowIfCancellationRequested();
            }

            Attempt attempt = response.StatusCode == HttpStatusCode.OK
                ? await BeginAsync(call, model, key, response)
                : await RefusedAsync(call, response, key);
            handedOn = attempt.Reply is not null;
            return attempt;
        }
        catch (OperationCanceledException) when (call.Clock.Token.IsCancellationRequested)
        {
            return TimedOut(call);
        }
        catch (OperationCanceledException failure)
        {
            // Not our clock. The handler tells its connect timeout this way.
            return failure.InnerException is TimeoutException
                ? new Attempt(null, AttemptFailure.Unreachable) { Fault = BackendFault.ConnectTimeout }
                : new Attempt(null, AttemptFailure.Failed) { Fault = BackendFault.ConnectionLost };
        }
        catch (HttpRequestException failure) when (failure.HttpRequestError is HttpRequestError.NameResolutionError
            or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError)
        {
            return new Attempt(null, AttemptFailure.Unreachable) { Fault = _http.FaultOf(failure) };
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            // The request may have been carried out, its answer lost. Another attempt is one more provider call, and the attempts are few.
            BackendFault fault = _http.FaultOf(failure);
            return new Attempt(null, fault is BackendFault.ClientCertificateRefused or BackendFault.ClientCertificateExpired or BackendFault.ClientCertificateRequired
                ? AttemptFailure.Unreachable
                : AttemptFailure.Failed)
            { Fault = fault };
        }
        finally
        {
            if (!handedOn)
            {
                response?.Dispose();
            }

            await body.Sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>Puts a key to a request, as this kind of server takes it.</summary>
    internal void Authorize(HttpRequestMessage request, KeySlot key)
    {
        if (_kind == BackendKind.Anthropic)
        {
            request.Headers.TryAddWithoutValidation("anthropic-version", AnthropicVersion);
        }

        if (key.Key is { } secret)
        {
            request.Headers.TryAddWithoutValidation(_kind == BackendKind.Anthropic ? "x-api-key" : "Authorization", _kind == BackendKind.Anthropic ? secret.Plain : secret.Authorization);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Attempt> BeginAsync(ProviderCall call, string model, KeySlot key, HttpResponseMessage response)
    {
        HttpContentHeaders headers = response.Content.Headers;
        bool events = IsMediaType(headers, "text/event-stream");

        // A server that cannot stream may answer a stream's request whole, but not the other way round: the caller could not read it.
        if (headers.NonValidated.Contains("Content-Encoding")
            || (events && !call.Stream)
            || (!events && !IsMediaType(headers, "application/json")))
        {
            return new Attempt(null, AttemptFailure.Failed) { Fault = BackendFault.NotAnAnswer };
        }

        Stream body = await response.Content.ReadAsStreamAsync(call.Clock.Token);
        ReplyMeter? meter = key.Usage.Budget is null ? null : new ReplyMeter(key.Usage, _prices.GetValueOrDefault(model), call.Body.Length);
        if (!events)
        {
            return new Attempt(new JsonReply(call, response, body, headers.ContentLength, meter), AttemptFailure.None);
        }

        var stream = new EventStreamReply(call, response, body, _maxEventBytes, meter);
        ProviderException? failure = await stream.ReceiveFirstAsync();
        if (failure is null)
        {
            return new Attempt(stream, AttemptFailure.None);
        }

        stream.Abandon();
        return failure.Error.Code switch
        {
            ErrorCodes.ProviderTimeout => TimedOut(call),
            ErrorCodes.ReplyTooLarge => new Attempt(null, AttemptFailure.Rejected) { Error = failure.Error },
            _ => new Attempt(null, AttemptFailure.Failed) { Fault = BackendFault.ConnectionLost },
        };
    }

    /// <summary>Late with a stream's first event is the backend's fault. How long all of a reply takes is the request's: a caller could have all backends thought ill.</summary>
    private static Attempt TimedOut(ProviderCall call) => new(null, AttemptFailure.TimedOut)
    {
        Fault = call.Stream && call.Clock is { Phase: CallPhase.FirstByte, IsLast: false } ? BackendFault.Timeout : BackendFault.None,
    };

    /// <summary>Compares the raw header: parsing it into objects would cost more than the rest of the head.</summary>
    private static bool IsMediaType(HttpContentHeaders headers, string type)
    {
        if (!headers.NonValidated.TryGetValues("Content-Type", out HeaderStringValues values) || values.Count != 1)
        {
            return false;
        }

        ReadOnlySpan<char> value = values.ToString();
        int parameters = value.IndexOf(';');
        return (parameters < 0 ? value : value[..parameters]).Trim().Equals(type, StringComparison.OrdinalIgnoreCase);
    }

    private async ValueTask<Attempt> RefusedAsync(ProviderCall call, HttpResponseMessage response, KeySlot key)
    {
        int status = (int)response.StatusCode;
        switch (status)
        {
            case 401 or 402:
                return new Attempt(null, AttemptFailure.KeyRefused) { Status = status };
            case 403:
                // Some providers mean the key's rights, some the prompt. It moves on to the next key, but benches none: a prompt could bench them all.
                return new Attempt(null, AttemptFailure.Failed) { Status = status, Fault = BackendFault.KeyRefused };
            case 429:
                return new Attempt(null, AttemptFailure.KeyBusy) { Status = status, RetryAfter = RetryAfter(response.Headers.RetryAfter) };
            case < 400 or 408 or >= 500:
                return new Attempt(null, AttemptFailure.Failed) { Status = status, Fault = BackendFault.Status };
        }

        using var text = new SensitiveBuffer(4096);
        try
        {
            Stream body = await response.Content.ReadAsStreamAsync(call.Clock.Token);
            int read;
            while (text.WrittenCount < MaxErrorBytes && (read = await body.ReadAsync(text.GetMemory(1024), call.Clock.Token)) > 0)
            {
                text.Advance(read);
            }
        }
        catch (Exception failure) when (failure is IOException or HttpRequestException or OperationCanceledException)
        {
            // The status alone says what matters.
            text.Clear();
        }

        return new Attempt(null, AttemptFailure.Rejected) { Status = status, Error = ProviderError.Read(status, text.WrittenSpan, key.Key) };
    }

    private TimeSpan RetryAfter(RetryConditionHeaderValue? header)
    {
        TimeSpan wait = header?.Delta ?? (header?.Date is { } date ? date - _time.GetUtcNow() : DefaultRetryAfter);
        return wait < DefaultRetryAfter ? DefaultRetryAfter : wait > LongestRetryAfter ? LongestRetryAfter : wait;
    }
}
