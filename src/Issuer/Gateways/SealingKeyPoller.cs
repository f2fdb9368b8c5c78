using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Issuer.Gateways;

/// <summary>How an issuer stands with a gateway's sealing keys.</summary>
/// <param name="Gateway">Its name.</param>
/// <param name="Fault">Why the last offer could not be had or taken; null if it was.</param>
public sealed record GatewayKeyStatus(string Gateway, string? Fault = null);

/// <summary>
/// Asks each gateway that the settings name a key of for its sealing keys: a public GET, from time to time. A gateway that cannot be reached, or offers what cannot be
/// taken, leaves the directory as it is. This is all that an issuer ever asks a gateway, and it says nothing of anybody (law 1).
/// </summary>
internal sealed partial class SealingKeyPoller : IAsyncDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);

    /// <summary>While a gateway has no current key nothing can be sealed to it, so it is asked again soon.</summary>
    private static readonly TimeSpan s_impatientInterval = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    private readonly SealingKeyBook _book;
    private readonly TimeSpan _interval;
    private readonly Func<CancellationToken, Task> _publish;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Source[] _sources;
    private readonly CancellationTokenSource _stop = new();
    private Task _loops = Task.CompletedTask;

    /// <param name="gateways">Those without a key are left alone.</param>
    /// <param name="book">Where what was taken is kept.</param>
    /// <param name="interval">How often each is asked, on average.</param>
    /// <param name="publish">Called when something new was taken.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">The log.</param>
    public SealingKeyPoller(
        IEnumerable<IssuerGateway> gateways, SealingKeyBook book, TimeSpan interval, Func<CancellationToken, Task> publish, TimeProvider time, ILogger log)
    {
        _book = book;
        _interval = interval;
        _publish = publish;
        _time = time;
        _log = log;
        _sources = [.. gateways.Where(gateway => gateway.Key is not null).Select(gateway => new Source(gateway))];
    }

    public IReadOnlyList<GatewayKeyStatus> Status => [.. _sources.Select(source => new GatewayKeyStatus(source.Name, source.Fault))];

    public void Start() => _loops = Task.WhenAll(_sources.Select(source => Task.Run(() => LoopAsync(source))));

    /// <summary>Asks all gateways now, and publishes what they offer before it completes, whoever took it.</summary>
    public async Task AskAllAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(_sources.Select(source => AskAsync(source, cancellationToken)));
        await _publish(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops;
        foreach (Source source in _sources)
        {
            source.Dispose();
        }

        _stop.Dispose();
    }

    private async Task LoopAsync(Source source)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await AskAsync(source, _stop.Token);
                await Task.Delay(await NextAsync(source), _time, _stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>Spread by a quarter each way: nothing is to be read off when an issuer asks, and several gateways are not asked at once for ever.</summary>
    private async Task<TimeSpan> NextAsync(Source source)
    {
        TimeSpan interval = _interval;
        if (interval > s_impatientInterval && !await HasCurrentAsync(source))
        {
            interval = s_impatientInterval;
        }

        return interval * (0.75 + (RandomNumberGenerator.GetInt32(1001) / 2000.0));
    }

    private async Task<bool> HasCurrentAsync(Source source)
    {
        try
        {
            DateTimeOffset now = _time.GetUtcNow();
            return (await _book.LoadAsync(now, _stop.Token)).Any(key => key.Gateway == source.Name && key.IsCurrentAt(now));
        }
        catch (StorageException)
        {
            return true;
        }
    }

    /// <summary>One at a time: what is noted of a gateway is what it answered last.</summary>
    private async Task AskAsync(Source source, CancellationToken cancellationToken)
    {
        await source.Turn.WaitAsync(cancellationToken);
        try
        {
            Note(source, await TryTakeAsync(source, cancellationToken));
        }
        finally
        {
            source.Turn.Release();
        }
    }

    private async Task<(string? Fault, bool IsRefused)> TryTakeAsync(Source source, CancellationToken cancellationToken)
    {
        try
        {
            string? fault = await TakeAsync(source, cancellationToken);
            return (fault, fault is not null);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // A gateway is another party's machine: whatever comes of asking it, the next time may be better.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return (e is StorageException ? e.Message : PublicDocument.FaultOf(e), false);
        }
    }

    private void Note(Source source, (string? Fault, bool IsRefused) outcome)
    {
        (string? fault, bool isRefused) = outcome;

        // One that is away may just be starting: it is told of when it has been for a while.
        source.AwaySince = fault is null || isRefused ? null : source.AwaySince ?? _time.GetTimestamp();
        if (fault is null)
        {
            source.Told = null;
        }
        else if (fault != source.Told && (isRefused || _time.GetElapsedTime(source.AwaySince!.Value) >= s_patience))
        {
            LogRefused(_log, source.Name, fault);
            source.Told = fault;
        }

        source.Fault = fault;
    }

    private async Task<string?> TakeAsync(Source source, CancellationToken cancellationToken)
    {
        byte[] document = await FetchAsync(source, cancellationToken);
        DateTimeOffset now = _time.GetUtcNow();
        if (!SealingOffer.TryOpen(
            document, source.Name, (message, signature) => source.Key.Verify(message.Span, signature.Span), now, out SealingOffer? offer, out string? error))
        {
            return error;
        }

        IReadOnlyList<SealingKey> before = await _book.LoadAsync(now, cancellationToken);
        string? onionBefore = (await _book.LoadOnionsAsync(cancellationToken)).GetValueOrDefault(source.Name);
        if (await _book.TakeAsync(offer, now) is string fault)
        {
            return fault;
        }

        if (offer.Keys.Any(key => key.NotAfter > now && !before.Any(known => known.IsSameKey(key) && IsSameEvidence(known, key))))
        {
            LogTaken(_log, source.Name);
            await _publish(cancellationToken);
        }
        else if ((await _book.LoadOnionsAsync(cancellationToken)).GetValueOrDefault(source.Name) != onionBefore)
        {
            LogOnion(_log, source.Name, offer.Onion ?? "none");
            await _publish(cancellationToken);
        }

        return null;
    }

    private static bool IsSameEvidence(SealingKey one, SealingKey other) =>
        one.Evidence?.Format == other.Evidence?.Format && (one.Evidence?.Bytes ?? default).Span.SequenceEqual((other.Evidence?.Bytes ?? default).Span);

    private async Task<byte[]> FetchAsync(Source source, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(s_timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        return await PublicDocument.FetchAsync(source.Address, SealingOffer.MaxSizeInBytes, s_timeout, either.Token);
    }

    private sealed class Source : IDisposable
    {
        private volatile string? _fault;

        public Source(IssuerGateway gateway)
        {
            Name = gateway.Name;
            Address = new Uri(gateway.Source, Routes.SealingOffer);
            _ = PublicKeyText.TryParse(gateway.Key, out byte[]? key);
            Key = Ed25519PublicKey.Import(key);
        }

        public string Name { get; }

        public Uri Address { get; }

        public SemaphoreSlim Turn { get; } = new(1);

        public Ed25519PublicKey Key { get; }

        public string? Fault
        {
            get => _fault;
            set => _fault = value;
        }

        /// <summary>The fault that the log was told of last.</summary>
        public string? Told { get; set; }

        /// <summary>When it first did not answer, while it still does not.</summary>
        public long? AwaySince { get; set; }

        public void Dispose()
        {
            Turn.Dispose();
            Key.Dispose();
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Gateway {Gateway} has new sealing keys.")]
    private static partial void LogTaken(ILogger logger, string gateway);

    [LoggerMessage(Level = LogLevel.Information, Message = "The onion service of gateway {Gateway} is {Onion} now.")]
    private static partial void LogOnion(ILogger logger, string gateway, string onion);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The sealing keys of gateway {Gateway} were not taken: {Fault}. Those published before stay until their time is over.")]
    private static partial void LogRefused(ILogger logger, string gateway, string fault);
}
