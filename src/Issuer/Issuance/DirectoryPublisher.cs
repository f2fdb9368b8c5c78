using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Ledger;
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
/// changes; it is kept before it is served. What it says changes to the second when a key goes live or a grace ends. Of several issuers on one database each may publish:
/// a number is taken by one insert, and whoever comes second serves what is there.
/// </summary>
internal sealed partial class DirectoryPublisher : IAsyncDisposable
{
    private readonly IssuerOptions _options;
    private readonly ISigner _signer;
    private readonly DirectoryStore _store;
    private readonly IssuanceBook _book;
    private readonly SealingKeyBook _sealingKeys;
    private readonly DirectoryKey _key;
    private readonly Func<string?> _onion;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly CancellationTokenSource _stop = new();

    private volatile PublishedDirectory? _current;
    private volatile string? _fault;
    private StoredDirectory? _last;

    /// <summary>Hash of the content that this issuer published, or would have, when its own content last changed.</summary>
    private byte[]? _decided;
    private bool _isLastKnown;
    private IReadOnlyList<SignerKey>? _signerKeys;
    private (long Day, IReadOnlyDictionary<PlanKey, long> Accounts)? _crowds;
    private Task _loop = Task.CompletedTask;

    public DirectoryPublisher(
        IssuerOptions options, ISigner signer, DirectoryStore store, IssuanceBook book, SealingKeyBook sealingKeys, DirectoryKey key, Func<string?> onion,
        TimeProvider time, ILogger log)
    {
        _sealingKeys = sealingKeys;
        _onion = onion;
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
        if (current is not null && !_store.IsShared && current.IsCurrentAt(_time.GetUtcNow()))
        {
            return current;
        }

        if (_signerKeys is not null)
        {
            try
            {
                if (current is null || !await IsFreshAsync(current, cancellationToken))
                {
                    await RebuildAsync(isNews: false, cancellationToken);
                }
            }
            catch (Exception e) when (e is StorageException or SignerUnavailableException)
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
            if (!isNews && _current is PublishedDirectory fresh && await IsFreshAsync(fresh, cancellationToken))
            {
                return;
            }

            if (!isNews && _store.IsShared)
            {
                // What other issuers know already must not vanish from what this one publishes.
                _signerKeys = await _signer.GetKeysAsync(cancellationToken);
            }

            IReadOnlyList<SignerKey> keys = _signerKeys!;
            IssuanceCatalog catalog = IssuanceCatalog.Create(keys, _options.Plans);
            if (_current?.Catalog is not IssuanceCatalog known || !known.Retiring.Select(key => key.KeyRef).SequenceEqual(catalog.Retiring.Select(key => key.KeyRef)))
            {
                await _book.RegisterKeysAsync([.. catalog.Retiring]);
            }

            IReadOnlyList<SealingKey> sealingKeys = await _sealingKeys.LoadAsync(now, CancellationToken.None);
            IReadOnlyDictionary<string, string> onions = await _sealingKeys.LoadOnionsAsync(CancellationToken.None);
            StoredDirectory stored = await PublishAsync(
                DirectoryContent.Build(_options, keys, await CrowdsAsync(catalog, now), sealingKeys, onions, _onion(), _key.Sign, now));
            _current = new PublishedDirectory(stored, catalog, now, DirectoryContent.NextChange(keys, sealingKeys, now));
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

    /// <summary>Whether it still holds and no other issuer on the database has published since: clients refuse a number that goes back.</summary>
    private async ValueTask<bool> IsFreshAsync(PublishedDirectory directory, CancellationToken cancellationToken) =>
        directory.IsCurrentAt(_time.GetUtcNow()) && (!_store.IsShared || await _store.LoadLastSequenceAsync(cancellationToken) == directory.Sequence);

    private async Task<IReadOnlyDictionary<PlanKey, long>> CrowdsAsync(IssuanceCatalog catalog, DateTimeOffset now)
    {
        long day = LedgerDay.Of(now);
        if (_crowds is { } known && known.Day == day && catalog.All.All(key => known.Accounts.ContainsKey(key.PlanKey)))
        {
            return known.Accounts;
        }

        long[] counts = await _book.CountAccountsAsync(catalog.All, day);
        var crowds = new Dictionary<PlanKey, long>();
        for (int i = 0; i < counts.Length; i++)
        {
            crowds[catalog.All[i].PlanKey] = counts[i];
        }

        _crowds = (day, crowds);
        return crowds;
    }

    private async Task<StoredDirectory> PublishAsync(IssuerDirectory content)
    {
        // Number and chain aside, two directories say the same if their canonical forms are the same.
        byte[] contentHash = SHA256.HashData(content.SignAndEncode(static _ => new byte[IssuerDirectory.SignatureSizeInBytes]));
        while (true)
        {
            if (await TryPublishAsync(content, contentHash) is StoredDirectory stored)
            {
                _decided = contentHash;
                return stored;
            }
        }
    }

    /// <summary>
    /// Runs to its end whoever asked for it: the number that a directory takes must be the one that is remembered. Null if another issuer took the number meanwhile.
    /// </summary>
    private async Task<StoredDirectory?> TryPublishAsync(IssuerDirectory content, byte[] contentHash)
    {
        if (!_isLastKnown || _store.IsShared)
        {
            _last = await _store.LoadLastAsync(CancellationToken.None);
            _isLastKnown = true;
        }

        if (_last is not null && _last.ContentHash.AsSpan().SequenceEqual(contentHash))
        {
            return _last;
        }

        if (_store.IsShared && _last is not null && _decided is not null && _decided.AsSpan().SequenceEqual(contentHash))
        {
            // Nothing has changed here: an issuer with other settings, or with news from the signer, has published since. The later decision stands; to insist
            // would let the two take turns for ever.
            if (_current?.Sequence != _last.Sequence)
            {
                LogOtherContent(_log, _last.Sequence);
            }

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
        if (!await _store.TryAddAsync(stored))
        {
            return null;
        }

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

    [LoggerMessage(Level = LogLevel.Warning, Message = "Directory {Sequence} of another issuer on this database says something else than this one would; it is served.")]
    private static partial void LogOtherContent(ILogger logger, long sequence);

    [LoggerMessage(Level = LogLevel.Information, Message = "Published directory {Sequence}.")]
    private static partial void LogPublished(ILogger logger, long sequence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The signer was not asked for its keys: {Reason}")]
    private static partial void LogSignerUnavailable(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The directory could not be published; the last one stays: {Reason}")]
    private static partial void LogNotPublished(ILogger logger, string reason);
}
