using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Tacit.Client.Evidence;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// Asks a gateway that has this device on its list: no issuer, no wallet, no token. Every request is signed by the device's key, so the gateway can link all of
/// them to each other; <see cref="PromptReply.Linkable"/> says so with each. Thread safe.
/// </summary>
public sealed class DeviceClient : IPromptSender, IAsyncDisposable
{
    /// <summary>What replies call the plan that paid: none did.</summary>
    public const string PlanName = "device";

    private readonly DeviceKey _key;
    private readonly Route _route;
    private readonly RedemptionOptions _options;
    private readonly TimeProvider _time;
    private readonly TransportPool _transports;
    private readonly PinnedGateway? _pinned;
    private readonly GatewayConnection _gateway;
    private readonly AnonymousCaller _caller;
    private readonly ModelList _models;
    // One unit for all: the key links its requests, so connections of their own would hide nothing.
    private readonly AnonymousUnit _isolation = AnonymousUnit.ForOneDevice();
    private readonly byte[] _conversations = RandomNumberGenerator.GetBytes(32);
    private readonly ConcurrentDictionary<Task, byte> _background = new();

    /// <param name="gateway">The gateway's base address.</param>
    /// <param name="key">Disposed with this client.</param>
    /// <param name="options">How prompts are sent; what concerns tokens does not matter.</param>
    /// <param name="transport">How connections are made, and the one certificate that the gateway may have.</param>
    /// <param name="time">The clock that signatures are dated by.</param>
    /// <param name="gatewayKey">With <see cref="GatewayTransport.Sealed"/>: the gateway's own Ed25519 key, 32 bytes, which signs what requests are sealed with.</param>
    /// <param name="evidence">What is done with evidence for such a key; null shows it.</param>
    public DeviceClient(
        Uri gateway, DeviceKey key, RedemptionOptions options, TransportOptions transport, TimeProvider time, ReadOnlyMemory<byte> gatewayKey = default,
        EvidenceOptions? evidence = null, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (_key, _options, _time) = (key, options, time);
        _route = Route.Direct(gateway);
        _transports = new TransportPool(transport, time, loggers);
        if (options.Transport == GatewayTransport.Sealed)
        {
            _pinned = new PinnedGateway(_transports, new PinnedGatewayOptions { Address = gateway, Key = gatewayKey, Evidence = evidence ?? new EvidenceOptions() }, time);
            _transports.Work = new WorkSolver(options.MaxWorkBits, options.WorkProgress);
            _transports.SealingKeys = async (_, cancellationToken) => (await _pinned.FindSealingKeyAsync(cancellationToken)).ToConfiguration();
            _route = Route.Oblivious(_route.Resolve(Routes.Oblivious), gateway.Host);
        }

        _gateway = new GatewayConnection(_transports, null, options, time);
        _caller = new AnonymousCaller(_transports, time);
        _models = new ModelList(time);
    }

    /// <summary>How its connections are made.</summary>
    public TransportPool Transports => _transports;

    /// <summary>The gateway, its address as it is used, and what is known of it without asking.</summary>
    public ServerStatus Gateway => ServerStatus.Of(_transports, _route, "gateway", null);

    /// <summary>Has Tor started if the gateway is reached over it, so that the first prompt does not wait for all of that.</summary>
    public void StartTransport() => _transports.StartFor(_route);

    /// <summary>The device's public key in base64url.</summary>
    public string KeyId => _key.Id;

    /// <inheritdoc cref="DeviceKey.DeriveLocalKey"/>
    public LocalKey DeriveLocalKey(string purpose) => _key.DeriveLocalKey(purpose);

    public async Task<PromptReply> SendAsync(PromptRequest prompt, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (prompt.OnlyPending)
        {
            // A device writes nothing of its requests.
            throw RedemptionClient.NothingPending();
        }
        PromptBody body = PromptBody.Parse(prompt.Body, _conversations);
        try
        {
            return await SendAsync(prompt.Operation.Path(), body, prompt.Trace, cancellationToken);
        }
        catch (Exception e)
        {
            prompt.Trace?.Failed(e);
            body.Dispose();
            throw;
        }
    }

    public Task<ReadOnlyMemory<byte>> GetModelsAsync(CancellationToken cancellationToken = default) =>
        _models.GetAsync(_caller, _ => new ValueTask<Route>(_route), cancellationToken);

    public Task ForgetEndedAsync() => Task.CompletedTask;

    /// <summary>Puts this device on the gateway's list, where the operator lets it register itself.</summary>
    /// <param name="code">The operator's invitation; null for none.</param>
    /// <returns>False if it was on the list already.</returns>
    /// <exception cref="ClientException"><see cref="ClientError.DeviceRefused"/>, <see cref="ClientError.GatewayUnreachable"/>, <see cref="ClientError.WorkRefused"/>.</exception>
    public async Task<bool> RegisterAsync(string? code, CancellationToken cancellationToken = default)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(new DeviceRegistrationRequest { Code = code }, GatewayJson.Default.DeviceRegistrationRequest);
        byte[] nonce = RandomNumberGenerator.GetBytes(DeviceSignature.NonceSizeInBytes);
        try
        {
            using GatewayAnswer answer = await _gateway.SendAsync(_route, Routes.Devices, Credentials(Routes.Devices, body, nonce), body, null, _options.FirstPatience, cancellationToken);
            byte[] content = await _gateway.ReadErrorAsync(answer, cancellationToken);
            return answer.Status switch
            {
                201 => true,
                200 => false,
                _ => throw new ClientException(
                    ClientError.DeviceRefused,
                    GatewayConnection.ErrorText(content) is { Length: > 0 } text ? text : $"The gateway answered {answer.Status}.", GatewayConnection.ErrorCode(content)),
            };
        }
        catch (TransportException e)
        {
            throw e.ToClientException(ClientError.GatewayUnreachable, e.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_background.Keys);
        await _transports.DisposeAsync();
        _pinned?.Dispose();
        _key.Dispose();
    }

    private async Task<PromptReply> SendAsync(string path, PromptBody body, PromptTrace? trace, CancellationToken cancellationToken)
    {
        trace?.Begin(body);
        trace?.Routed(null, _route, _options.Transport, _transports);
        await _transports.PrepareAsync(_route, cancellationToken);
        trace?.Signing(KeyId, body);
        byte[] nonce = RandomNumberGenerator.GetBytes(DeviceSignature.NonceSizeInBytes);
        var request = new RepeatedRequest(
            (patience, token) => _gateway.SendAsync(_route, path, Credentials(path, body.Content, nonce), body.Content, _isolation, patience, token, trace),
            body.Content.Length,
            // Something in front that cannot reach the gateway says nothing of the request, either.
            answer => answer.Verdict != TokenVerdict.InFlight && (answer.Verdict != TokenVerdict.None || answer.Status < 500), _gateway, _options, _time);
        if (await request.SendAsync(cancellationToken) is not GatewayAnswer answer)
        {
            string message = $"{request.Failure} The gateway may or may not have seen the request.";
            throw (request.Cause as TransportException)?.ToClientException(ClientError.GatewayUnreachable, message)
                ?? new ClientException(ClientError.GatewayUnreachable, message, inner: request.Cause);
        }
        if (answer.IsSuccess)
        {
            trace?.Accepted(answer.Status);
            return new PromptReply(new LiveReply(new SignedReply(this, nonce), body, request, answer, trace), PlanName) { Linkable = PlanName };
        }
        using (answer)
        {
            byte[] error = answer.Error;
            string code = GatewayConnection.ErrorCode(error);
            body.Dispose();
            trace?.Refused(answer.Status, code);
            return code is ErrorCodes.DeviceUnknown or ErrorCodes.DeviceRevoked or ErrorCodes.SignatureExpired
                ? throw new ClientException(ClientError.DeviceRefused, Explain(code, error), code)
                : new PromptReply(
                    new DeliveredError(answer.Status, error.Length > 0 ? error : ApiError.Create(ErrorCodes.ProviderError, $"The gateway answered {answer.Status} and broke off.").Encode()),
                    PlanName, answer.Verdict == TokenVerdict.Spent ? TokenOutcome.Spent : TokenOutcome.Kept)
                {
                    Linkable = PlanName,
                    RetryAfter = answer.RetryAfter,
                };
        }
    }

    private string Explain(string code, byte[] error) => code == ErrorCodes.DeviceUnknown
        ? $"The gateway does not know this device. Have its operator run: tacit gateway devices add {KeyId} NAME, or register it: tacit device register."
        : GatewayConnection.ErrorText(error);

    /// <summary>Signed anew each time it is sent: a repetition is known by its nonce.</summary>
    private Action<HttpRequestHeaders> Credentials(string path, ReadOnlyMemory<byte> body, byte[] nonce) => headers =>
    {
        DeviceSignature signature = _key.Sign(path, body.Span, nonce, _time.GetUtcNow());
        headers.TryAddWithoutValidation(DeviceSignature.InputHeader, signature.InputValue);
        headers.TryAddWithoutValidation(DeviceSignature.SignatureHeader, signature.SignatureValue);
        headers.TryAddWithoutValidation(DeviceSignature.DigestHeader, signature.DigestValue);
    };

    private async Task CancelAsync(byte[] nonce)
    {
        try
        {
            using GatewayAnswer answer = await _gateway.SendAsync(
                _route, Routes.Cancel, Credentials(Routes.Cancel, ReadOnlyMemory<byte>.Empty, nonce), ReadOnlyMemory<byte>.Empty, null, _options.FirstPatience, CancellationToken.None);
        }
        catch (Exception e) when (e is TransportException or ClientException)
        {
            // The reply then goes on to its end, for nobody.
        }
    }

    private void InBackground(Task task)
    {
        _background.TryAdd(task, 0);
        _ = task.ContinueWith(done => _background.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>A reply to a signed request: nothing is kept of it, so nothing has to be settled.</summary>
    private sealed class SignedReply(DeviceClient client, byte[] nonce) : IReplyOwner
    {
        public RedemptionOptions Options => client._options;

        public TimeProvider Time => client._time;

        public void EndOfReply(GatewayAnswer answer)
        {
            // No chain pays.
        }

        public Task<TokenOutcome> SettleAsync(GatewayAnswer answer) =>
            Task.FromResult(answer.Verdict is TokenVerdict.Returned ? TokenOutcome.Kept : TokenOutcome.Spent);

        public Task CompleteAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task CancelAsync() => client.CancelAsync(nonce);

        public void Abandon() => client.InBackground(client.CancelAsync(nonce));
    }
}
