using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Issuer.Issuance;

/// <summary>The directory as it is served, and the keys that requests may name meanwhile.</summary>
/// <param name="Stored">As it was published.</param>
/// <param name="Catalog">Null while the signer has not answered since the start: an earlier directory is served, and nothing is issued.</param>
/// <param name="BuiltAt">It holds from then …</param>
/// <param name="ValidUntil">… until then.</param>
internal sealed record PublishedDirectory(StoredDirectory Stored, IssuanceCatalog? Catalog, DateTimeOffset BuiltAt, DateTimeOffset ValidUntil)
{
    public long Sequence => Stored.Sequence;

    public byte[] Body => Stored.Body;

    public string ETag { get; } =
        $"\"{Stored.Sequence.ToString(CultureInfo.InvariantCulture)}-{Convert.ToHexStringLower(Stored.ContentHash.AsSpan(0, 8))}\"";

    public bool IsCurrentAt(DateTimeOffset now) => BuiltAt <= now && now < ValidUntil;
}

/// <summary>
/// Asks the signer for its keys and publishes them with the plans. A directory gets a new number, and names the hash of the one before, whenever its content
/// changes; it is kept before it is served. What it says changes to the second when a key goes live or a grace ends.
/// </summary>
internal sealed partial class DirectoryPublisher : IAsyncDisposable
{
    private readonly IssuerOptions _options;
    private readonly ISigner _signer;
    private readonly DirectoryStore _store;
    private readonly IssuanceBook _book;
    private readonly DirectoryKey _key;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly CancellationTokenSource _stop = new();

    private volatile PublishedDirectory? _current;
    private volatile string? _fault;
    private StoredDirectory? _last;
    private bool _isLastKnown;
    private IReadOnlyList<SignerKey>? _signerKeys;
    private Task _loop = Task.CompletedTask;

    public DirectoryPublisher(
        IssuerOptions options, ISigner signer, DirectoryStore store, IssuanceBook book, DirectoryKey key, TimeProvider time, ILogger log)
    {
        _options = options;
        _signer = signer;
        _store = store;
        _book = book;
        _key = key;
        _time = time;
        _log = log;
    }

    /// <summary>Why keys can't be published at the moment, or null.</summary>
    public string? Fault => _fault;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        if (_current is null && await _store.LoadLastAsync(cancellationToken) is StoredDirectory last)
        {
            // It may be out of date, which its readers can see from it; it is looked at again as soon as the signer answers.
            DateTimeOffset now = _time.GetUtcNow();
            _current = new PublishedDirectory(last, null, now, now);
        }

        _loop = Task.Run(LoopAsync, CancellationToken.None);
    }

    /// <summary>What holds now; null before the very first directory.</summary>
    public async ValueTask<PublishedDirectory?> GetAsync(CancellationToken cancellationToken)
    {
        PublishedDirectory? current = _current;
        if (current is not null && current.IsCurrentAt(_time.GetUtcNow()))
        {
            return current;
        }

        if (_signerKeys is not null)
        {
            try
            {
                await RebuildAsync(isNews: false, cancellationToken);
            }
            catch (StorageException e)
            {
                // What was published last is still true of its keys, and says until when each is good.
                _fault = e.Message;
                LogNotPublished(_log, e.Message);
            }
        }

        return _current;
    }

    /// <summary>Asks the signer and publishes what changed. Trouble is noted, not thrown: the last directory stays good meanwhile.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            _signerKeys = await _signer.GetKeysAsync(cancellationToken);
            await RebuildAsync(isNews: true, cancellationToken);
        }
        catch (SignerUnavailableException e)
        {
            _fault = e.Message;
            LogSignerUnavailable(_log, e.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        _gate.Dispose();
    }

    private async Task LoopAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            DateTimeOffset now = _time.GetUtcNow();
            TimeSpan wait = _current is PublishedDirectory current && current.ValidUntil > now ? current.ValidUntil - now : _options.KeyPollInterval;
            try
            {
                await Task.Delay(wait < _options.KeyPollInterval ? wait : _options.KeyPollInterval, _time, _stop.Token);
                await RefreshAsync(_stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it was, the keys go on rotating and have to be asked for again.
                _fault = e.Message;
                LogNotPublished(_log, e.Message);
            }
        }
    }

    /// <param name="isNews">False if only the time may have changed something; then one of many callers does the work.</param>
    /// <param name="cancellationToken">Ends the wait for a turn.</param>
    private async Task RebuildAsync(bool isNews, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        DateTimeOffset now = _time.GetUtcNow();
        try
        {
            if (!isNews && _current is PublishedDirectory fresh && fresh.IsCurrentAt(now))
            {
                return;
            }

            IReadOnlyList<SignerKey> keys = _signerKeys!;
            IssuanceCatalog catalog = IssuanceCatalog.Create(keys, _options.Plans);
            if (_current?.Catalog is not IssuanceCatalog known || !known.All.Select(key => key.KeyRef).SequenceEqual(catalog.All.Select(key => key.KeyRef)))
            {
                await _book.RegisterKeysAsync(catalog.All);
            }

            StoredDirectory stored = await PublishAsync(DirectoryContent.Build(_options, keys, now));
            _current = new PublishedDirectory(stored, catalog, now, DirectoryContent.NextChange(keys, now));
            _fault = null;
        }
        catch (InvalidOperationException e)
        {
            // The signer's keys and our plans do not go together: another list of plans, most likely. What was published stays.
            _fault = e.Message;
            LogNotPublished(_log, e.Message);
            if (_current is PublishedDirectory last)
            {
                _current = last with { BuiltAt = now, ValidUntil = now + _options.KeyPollInterval };
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Runs to its end whoever asked for it: the number that a directory takes must be the one that is remembered.</summary>
    private async Task<StoredDirectory> PublishAsync(IssuerDirectory content)
    {
        if (!_isLastKnown)
        {
            _last = await _store.LoadLastAsync(CancellationToken.None);
            _isLastKnown = true;
        }

        // Number and chain aside, two directories say the same if their canonical forms are the same.
        byte[] contentHash = SHA256.HashData(content.SignAndEncode(static _ => new byte[IssuerDirectory.SignatureSizeInBytes]));
        if (_last is not null && _last.ContentHash.AsSpan().SequenceEqual(contentHash))
        {
            return _last;
        }

        IssuerDirectory numbered = content;
        if (_last is not null)
        {
            if (!IssuerDirectory.TryParse(_last.Body, out IssuerDirectory? previous, out string? error))
            {
                throw new InvalidOperationException($"the last directory in the database can't be read: {error}");
            }

            RefuseChangedKinds(previous, content);
            numbered = content with { Sequence = previous.Sequence + 1, Previous = previous.Hash() };
        }

        var stored = new StoredDirectory(numbered.Sequence, contentHash, numbered.SignAndEncode(_key.Sign));

        // If this fails nobody knows whether the number is taken, until it is read again.
        _isLastKnown = false;
        await _store.AddAsync(stored);
        _last = stored;
        _isLastKnown = true;
        LogPublished(_log, stored.Sequence);
        return stored;
    }

    /// <summary>
    /// A token says its plan, not what that plan was when it was bought: under a kind that changed, each token of single requests would be a chain, and each
    /// chain's a single request.
    /// </summary>
    /// <exception cref="InvalidOperationException">A plan has another kind than before, and keys from then.</exception>
    private static void RefuseChangedKinds(IssuerDirectory previous, IssuerDirectory next)
    {
        foreach (DirectoryPlan plan in next.Plans)
        {
            if (previous.FindPlan(plan.Plan.Id) is { } before && before.Plan.Kind != plan.Plan.Kind && before.Keys.Any(plan.Keys.Contains))
            {
                throw new InvalidOperationException($"plan {plan.Plan.Id} changed its kind while tokens of it are out: give what is sold now a plan id of its own");
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Published directory {Sequence}.")]
    private static partial void LogPublished(ILogger logger, long sequence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The signer was not asked for its keys: {Reason}")]
    private static partial void LogSignerUnavailable(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The directory could not be published; the last one stays: {Reason}")]
    private static partial void LogNotPublished(ILogger logger, string reason);
}
