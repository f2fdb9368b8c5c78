using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Cli.Demo;

/// <summary>A call that one of the servers got, with what came in its head.</summary>
internal sealed record SeenCall(int Port, string Method, string Path, long? BodyBytes, IReadOnlyList<string> Headers, string? Authorization, string? Remote);

/// <summary>A call that the signer got.</summary>
internal sealed record SeenSigning(string KeyId, SigningPurpose Purpose, IReadOnlyList<byte[]> Blinded, IReadOnlyList<byte[]> Signatures);

/// <summary>A body as it went to the provider.</summary>
internal sealed record SeenByProvider(Operation Operation, string Model, int Bytes, IReadOnlyList<string> Members);

/// <summary>
/// Stands beside the parts of a demo and notes what each is handed, so that the demo can show it. Only the demo has one: in a deployment the parts run in
/// processes of their own, and nobody is in a place to see both sides.
/// </summary>
internal sealed class Witness : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>, IDisposable
{
    private const string RequestEvent = "Microsoft.AspNetCore.Hosting.HttpRequestIn";

    private readonly ConcurrentQueue<SeenCall> _calls = new();
    private readonly ConcurrentQueue<SeenSigning> _signings = new();
    private readonly ConcurrentQueue<SeenByProvider> _provided = new();
    private readonly ConcurrentBag<IDisposable> _subscriptions = [];

    public Witness() => _subscriptions.Add(DiagnosticListener.AllListeners.Subscribe(this));

    public IReadOnlyList<SeenSigning> Signings => [.. _signings];

    public IReadOnlyList<SeenByProvider> Provided => [.. _provided];

    public IReadOnlyList<SeenCall> CallsTo(int port) => [.. _calls.Where(call => call.Port == port)];

    /// <summary>The signer, seen over the shoulder.</summary>
    public ISigner Watch(ISigner signer) => new WatchedSigner(signer, _signings);

    /// <summary>For <see cref="InferenceOptions.Observer"/>.</summary>
    public void SeeBody(Operation operation, string model, ReadOnlyMemory<byte> body)
    {
        List<string> members = [];
        Utf8JsonReader json = new(body.Span);
        while (json.Read())
        {
            if (json.TokenType == JsonTokenType.PropertyName && json.CurrentDepth == 1)
            {
                members.Add(json.GetString()!);
            }
        }
        _provided.Enqueue(new SeenByProvider(operation, model, body.Length, members));
    }

    void IObserver<DiagnosticListener>.OnNext(DiagnosticListener value)
    {
        if (value.Name == "Microsoft.AspNetCore")
        {
            _subscriptions.Add(value.Subscribe(this, name => name.StartsWith(RequestEvent, StringComparison.Ordinal)));
        }
    }

    void IObserver<KeyValuePair<string, object?>>.OnNext(KeyValuePair<string, object?> value)
    {
        if (value.Key == RequestEvent + ".Start" && value.Value is HttpContext context)
        {
            _calls.Enqueue(new SeenCall(
                context.Connection.LocalPort,
                context.Request.Method,
                context.Request.Path,
                context.Request.ContentLength,
                [.. context.Request.Headers.Keys.Order(StringComparer.OrdinalIgnoreCase)],
                context.Request.Headers.Authorization,
                context.Connection.RemoteIpAddress?.ToString()));
        }
    }

    void IObserver<DiagnosticListener>.OnCompleted()
    {
    }

    void IObserver<DiagnosticListener>.OnError(Exception error)
    {
    }

    void IObserver<KeyValuePair<string, object?>>.OnCompleted()
    {
    }

    void IObserver<KeyValuePair<string, object?>>.OnError(Exception error)
    {
    }

    public void Dispose()
    {
        foreach (IDisposable subscription in _subscriptions)
        {
            subscription.Dispose();
        }
    }

    private sealed class WatchedSigner(ISigner inner, ConcurrentQueue<SeenSigning> seen) : ISigner
    {
        public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken) => inner.GetKeysAsync(cancellationToken);

        public async ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
        {
            byte[][] blinded = [.. request.BlindedMessages.Select(message => message.ToArray())];
            SignResponse response = await inner.SignAsync(request, cancellationToken);
            seen.Enqueue(new SeenSigning(Convert.ToHexStringLower(request.TokenKeyId), request.Purpose, blinded, response.BlindSignatures));
            return response;
        }
    }
}
