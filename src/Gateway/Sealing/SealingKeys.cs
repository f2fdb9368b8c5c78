using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Sealing;

/// <summary>
/// The keys that prompts to this gateway are sealed with: of each KEM one current, one next, made ahead of their time, shared by the instances on one database, erased after it.
/// A key is shown to nobody before the directory lists it, so that nobody can be given one of their own. What a key may open at a moment is decided by the clock at
/// that moment, not by when rotation last ran.
/// </summary>
internal sealed partial class SealingKeys : IAsyncDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(30);

    // Until the directory has the current key, nothing can be sealed: a first start should not take minutes.
    private static readonly TimeSpan s_impatientInterval = TimeSpan.FromSeconds(5);

    private readonly SealingStore _store;
    private readonly GatewayOptions _options;
    private readonly KeyEvidenceSource _evidence;
    private readonly Func<string?> _onion;
    private readonly Func<IssuerDirectory?> _directory;
    private readonly Func<CancellationToken, Task> _refreshDirectory;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _gate = new(1);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<SealingKeyPair> _gone = [];
    private volatile SealingKeyPair?[] _byId = new SealingKeyPair?[256];
    private volatile PublishedKeys _published = new(null, []);
    private IReadOnlyList<SealingKeyPair> _pairs = [];
    private volatile string? _fault;
    private volatile string? _foreign;

    /// <summary>Those in the store, also of a KEM that this instance cannot open with.</summary>
    private volatile List<SealingKey> _known = [];
    private bool _isFolded;
    private Task _loop = Task.CompletedTask;

    private SealingKeys(
        SealingStore store, GatewayOptions options, Func<string?> onion, Func<IssuerDirectory?> directory, Func<CancellationToken, Task> refreshDirectory, TimeProvider time, ILogger log)
    {
        _store = store;
        _options = options;
        _onion = onion;
        _evidence = new KeyEvidenceSource(options.Sealing.Evidence, time);
        _directory = directory;
        _refreshDirectory = refreshDirectory;
        _time = time;
        _log = log;
    }

    /// <summary>The gateway's own Ed25519 key, 32 bytes: for the issuer's settings, or for clients to pin.</summary>
    public ReadOnlyMemory<byte> GatewayKey => _store.PublicKey;

    /// <summary>Why the last pass failed, for the operator; null if it did not.</summary>
    public string? Fault => _fault;

    /// <summary>Loads the keys and makes those that are missing.</summary>
    /// <param name="database">With the tables of <see cref="SealingStore.Migration"/>; stays the caller's.</param>
    /// <param name="options">Names and <see cref="GatewayOptions.Sealing"/>, which is on.</param>
    /// <param name="onion">The onion service that this gateway tells everybody of; null if none.</param>
    /// <param name="directory">The directory that this gateway goes by.</param>
    /// <param name="refreshDirectory">Looks for a newer one.</param>
    /// <param name="time">The clock.</param>
    /// <param name="log">The log.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<SealingKeys> StartAsync(
        Database database, GatewayOptions options, Func<string?> onion, Func<IssuerDirectory?> directory, Func<CancellationToken, Task> refreshDirectory, TimeProvider time, ILogger log,
        CancellationToken cancellationToken)
    {
        var keys = new SealingKeys(await SealingStore.OpenAsync(database, options.Sealing, cancellationToken), options, onion, directory, refreshDirectory, time, log);
        try
        {
            await keys.BeginAsync(cancellationToken);
            if (LockedMemory.Status is { Problem: string problem })
            {
                LogUnlocked(log, problem, LockedMemoryStatus.Remedy);
            }

            keys._loop = Task.Run(keys.LoopAsync, CancellationToken.None);
            return keys;
        }
        catch
        {
            await keys.DisposeAsync();
            throw;
        }
    }

    /// <summary>The key that a request names, if it may be opened with it now.</summary>
    public bool TryFind(byte keyId, DateTimeOffset now, [NotNullWhen(true)] out SealingKeyPair? pair)
    {
        pair = _byId[keyId] is { } found && found.OpensAt(now) ? found : null;
        return pair is not null;
    }

    /// <summary>The keys that everybody is shown, current and next, under the directory key's signature; empty until the directory has them.</summary>
    public IReadOnlyList<SignedSealingKey> PublishedAt(DateTimeOffset now)
    {
        PublishedKeys published = _published;
        if (_options.Sealing.SignedBy == SealingSignatory.Issuer && !ReferenceEquals(published.Directory, _directory()))
        {
            _published = published = Publish();
        }

        return [.. published.Keys.Where(entry => now < entry.Key.NotAfter)];
    }

    /// <summary>What this gateway offers to its issuer now: <see cref="SealingOffer"/>. A clock that was far ahead once leaves keys whose time no issuer takes yet.</summary>
    public byte[] MakeOffer(DateTimeOffset now) => new SealingOffer
    {
        Gateway = _options.Name,
        MadeAt = DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds()),
        Keys = [.. _pairs.Select(pair => pair.Key).Where(key => now < key.NotAfter && key.NotBefore <= now + SealingKey.LongestValidity).Take(SealingKeyList.MaxKeys)],
        Onion = _onion(),
    }.SignAndEncode(_store.Sign);

    /// <summary>What the operator is told.</summary>
    public SealingKeyReport Report()
    {
        IReadOnlyList<SignedSealingKey> published = PublishedAt(_time.GetUtcNow());
        return new SealingKeyReport(
            _options.Name, PublicKeyText.Format(_store.PublicKey), _options.Sealing.SignedBy == SealingSignatory.Issuer ? "issuer" : "gateway",
            [
                .. _pairs.Select(pair => new SealingKeyLine(
                    pair.KeyId, pair.Key.NotBefore, pair.Key.NotAfter, published.Any(entry => entry.Key.IsSameKey(pair.Key)), pair.Key.Evidence?.Format)),
            ],
            _fault ?? _foreign);
    }

    /// <summary>Keys that there are, and prompts in the clear, need no evidence: a gateway that cannot get any starts all the same.</summary>
    private async Task BeginAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(cancellationToken);
        }
        catch (KeyEvidenceException e)
        {
            _fault = e.Message;
            LogPassFailed(_log, e.Message);
        }
    }

    /// <summary>One pass: makes what is due, erases what is over.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // From here on a pass goes to its end. What went out of use with the one before is used by nobody any more.
            DateTimeOffset now = _time.GetUtcNow();
            foreach (SealingKeyPair pair in _gone)
            {
                pair.Dispose();
            }

            _gone.Clear();
            IReadOnlyList<StoredSealingKey> stored = await _store.LoadAsync(_options.Name, CancellationToken.None);
            if (stored.Any(key => now >= key.Key.NotAfter + SealingSchedule.Grace))
            {
                await _store.EraseAsync(now - SealingSchedule.Grace);
                stored = await _store.LoadAsync(_options.Name, CancellationToken.None);
                _isFolded = false;
            }

            // Also at the start: whoever was killed after a key was erased, or between, has left it in the log.
            if (!_isFolded)
            {
                await _store.FoldLogAsync();
                _isFolded = true;
            }

            // What there is serves, whatever becomes of what is to be made.
            Adopt(stored);
            while (await MakeMissingAsync(stored, now))
            {
                stored = await _store.LoadAsync(_options.Name, CancellationToken.None);
                Adopt(stored);
            }

            _fault = null;
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        foreach (SealingKeyPair pair in _pairs.Concat(_gone))
        {
            pair.Dispose();
        }

        _store.Dispose();
        _stop.Dispose();
        _gate.Dispose();
    }

    private async Task LoopAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                bool waits = IsUnpublished();
                await Task.Delay(waits ? s_impatientInterval : s_interval, _time, _stop.Token);
                await RunAsync(_stop.Token);
                if (waits)
                {
                    await _refreshDirectory(_stop.Token);
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Keys are made ahead: whatever it was, there is time to put it right while the next pass tries again.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _fault = e is StorageException or KeyEvidenceException ? e.Message : ExceptionNames.Of(e);
                LogPassFailed(_log, _fault);
            }
        }
    }

    private bool IsUnpublished()
    {
        DateTimeOffset now = _time.GetUtcNow();
        return SealingKeyList.FindCurrent(PublishedAt(now), now) is null;
    }

    /// <summary>Whether something has changed in the store.</summary>
    private async Task<bool> MakeMissingAsync(IReadOnlyList<StoredSealingKey> stored, DateTimeOffset now)
    {
        // After a lost database the directory still lists keys that nobody has: the next is for the time after them, since two for one time would be taken for an attack.
        IReadOnlyList<SealingKey> listed = [.. (_directory()?.FindSealingKeys(_options.Name) ?? []).Select(entry => entry.Key)];
        List<SealingKey> all = [.. stored.Select(entry => entry.Key), .. listed];
        foreach (HpkeSuite suite in OfferedSuites())
        {
            IReadOnlyList<KeyTime> missing = SealingSchedule.FindMissing(
                all.Where(key => key.KemId == suite.KemId).Select(key => new KeyTime(key.NotBefore, key.NotAfter)), now, _options.Sealing.Lifetime);
            if (missing.Count > 0)
            {
                await MakeAsync(suite, missing[0], FreeKeyId(all));
                return true;
            }
        }

        return false;
    }

    /// <summary>The suite stands for its KEM: with which AEAD, senders choose.</summary>
    private IEnumerable<HpkeSuite> OfferedSuites()
    {
        yield return HpkeSuite.X25519ChaCha20Poly1305;
        if (_options.Sealing.PostQuantum && HpkeSuite.MLKem768X25519ChaCha20Poly1305.IsSupported)
        {
            yield return HpkeSuite.MLKem768X25519ChaCha20Poly1305;
        }
    }

    private static bool TryFindSuite(SealingKey key, [NotNullWhen(true)] out HpkeSuite? suite) =>
        HpkeSuite.TryFind(key.KemId, HpkeSuite.X25519ChaCha20Poly1305.KdfId, HpkeSuite.X25519ChaCha20Poly1305.AeadId, out suite);

    private async Task MakeAsync(HpkeSuite suite, KeyTime time, byte keyId)
    {
        using HpkePrivateKey made = HpkePrivateKey.Generate(suite);
        var key = new SealingKey
        {
            Gateway = _options.Name,
            Config = SealingKey.EncodeConfig(keyId, made.PublicKey.Export(), suite.KemId),
            NotBefore = time.From,
            NotAfter = time.Until,
        };
        key = key with { Evidence = await _evidence.GetAsync(key.Config, _stop.Token) };
        byte[] secret = GC.AllocateUninitializedArray<byte>(suite.PrivateKeySizeInBytes, pinned: true);
        byte[] sealedKey;
        try
        {
            made.Export(secret);
            sealedKey = _store.Seal(secret, key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }

        if (await _store.TryAddAsync(new StoredSealingKey(key, sealedKey)))
        {
            LogMade(_log, key.KeyId, key.NotBefore, key.NotAfter);
        }
    }

    /// <summary>The one after the latest: an id comes back only after all others, when nobody holds the key any more that had it.</summary>
    private static byte FreeKeyId(List<SealingKey> taken)
    {
        int id = taken.MaxBy(key => key.NotBefore) is { } latest ? (latest.KeyId + 1) % 256 : RandomNumberGenerator.GetInt32(256);
        while (taken.Exists(key => key.KeyId == id))
        {
            id = (id + 1) % 256;
        }

        return (byte)id;
    }

    private void Adopt(IReadOnlyList<StoredSealingKey> stored)
    {
        _known = [.. stored.Select(row => row.Key)];
        var pairs = new List<SealingKeyPair>();
        foreach (StoredSealingKey row in stored.Where(row => row.SealedPrivateKey.Length > 0))
        {
            // Another instance's libcrypto may have a KEM that ours has not.
            if (TryFindSuite(row.Key, out HpkeSuite? suite))
            {
                pairs.Add(_pairs.FirstOrDefault(pair => pair.Key.IsSameKey(row.Key)) ?? Load(row, suite));
            }
        }

        _gone.AddRange(_pairs.Except(pairs));
        var byId = new SealingKeyPair?[256];
        foreach (SealingKeyPair pair in pairs)
        {
            byId[pair.KeyId] = pair;
        }

        _pairs = pairs;
        _byId = byId;
        _published = Publish();

        // Here, where what other instances made was just read, and not whenever a directory comes.
        WarnOfForeignKeys(_directory());
    }

    private SealingKeyPair Load(StoredSealingKey row, HpkeSuite suite)
    {
        byte[] secret = _store.Unseal(row);
        try
        {
            return new SealingKeyPair(row.Key, HpkePrivateKey.Import(suite, secret));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private PublishedKeys Publish()
    {
        IReadOnlyList<SealingKeyPair> pairs = _pairs;
        if (_options.Sealing.SignedBy == SealingSignatory.Gateway)
        {
            return new PublishedKeys(null, [.. pairs.Select(pair => pair.Key.Sign(_store.Sign))]);
        }

        IssuerDirectory? directory = _directory();
        return new PublishedKeys(
            directory, [.. (directory?.FindSealingKeys(_options.Name) ?? []).Where(entry => pairs.Any(pair => pair.Key.IsSameKey(entry.Key)))]);
    }

    /// <summary>
    /// A key that is listed for this gateway and is not its own: of a database that was lost, or the issuer's doing, who could read what is sealed with it where it can
    /// stand between. No client can tell; this gateway can.
    /// </summary>
    private void WarnOfForeignKeys(IssuerDirectory? directory)
    {
        DateTimeOffset now = _time.GetUtcNow();
        SealingKey? foreign = (directory?.FindSealingKeys(_options.Name) ?? []).Select(entry => entry.Key)
            .FirstOrDefault(key => now < key.NotAfter && !_known.Exists(key.IsSameKey));
        string? warning = foreign is null ? null
            : $"the directory lists sealing key {foreign.KeyId} for this gateway until {foreign.NotAfter:yyyy-MM-dd HH:mm}, and it is not one of its own";
        if (warning is not null && warning != _foreign)
        {
            LogForeignKey(_log, foreign!.KeyId, foreign.NotAfter);
        }

        _foreign = warning;
    }

    private sealed record PublishedKeys(IssuerDirectory? Directory, IReadOnlyList<SignedSealingKey> Keys);

    [LoggerMessage(Level = LogLevel.Information, Message = "Made sealing key {KeyId} for {Start:u} to {End:u}.")]
    private static partial void LogMade(ILogger log, int keyId, DateTimeOffset start, DateTimeOffset end);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Sealing keys can be swapped: {Problem}. {Remedy}")]
    private static partial void LogUnlocked(ILogger log, string problem, string remedy);

    [LoggerMessage(Level = LogLevel.Error, Message = "The directory lists sealing key {KeyId} for this gateway until {End:u}, and it is not one of its own. Unless its database was lost or put back, ask the issuer's operator.")]
    private static partial void LogForeignKey(ILogger log, int keyId, DateTimeOffset end);

    [LoggerMessage(Level = LogLevel.Error, Message = "Sealing keys could not be rotated: {Reason}")]
    private static partial void LogPassFailed(ILogger log, string reason);
}
