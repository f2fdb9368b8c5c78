using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>
/// Makes keys ahead of their time and removes them after it, by <see cref="KeySchedule"/>. What may be signed at a moment is decided by the clock at that
/// moment, not by when rotation last ran; rotation only has to be early enough.
/// </summary>
internal sealed partial class KeyRotation : IAsyncDisposable
{
    // A pass that finds nothing to do costs next to nothing, and keys are made an hour ahead or more. Waiting for the exact moment instead would fail
    // whoever sets the clock.
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(30);

    // Of 256 truncated ids: beyond this, finding a free one takes long.
    private const int MaxKeys = 224;

    private readonly KeyStore _store;
    private readonly IReadOnlyList<Plan> _plans;
    private readonly IReadOnlyList<PseudonymOffer> _offers;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly IProgress<KeyGenerationProgress>? _progress;
    private readonly Dictionary<byte[], SigningKey> _keys = new(BytesComparer.Instance);
    private readonly List<KeyUse> _uses = [];
    private readonly SemaphoreSlim _gate = new(1);
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private volatile KeyRing _ring = KeyRing.Empty;
    private volatile string? _fault;
    private volatile StrongBox<KeyGenerationProgress>? _generating;
    private readonly List<SigningKey> _gone = [];
    private bool _isLoaded;
    private long _lastPass;
    private Task _generation = Task.CompletedTask;
    private Task _loop = Task.CompletedTask;

    private KeyRotation(
        KeyStore store, IReadOnlyList<Plan> plans, IReadOnlyList<PseudonymOffer> offers, TimeProvider time, ILogger log, IProgress<KeyGenerationProgress>? progress)
    {
        _store = store;
        _plans = plans;
        _offers = offers;
        _time = time;
        _log = log;
        _progress = progress;
    }

    public KeyRing Ring => _ring;

    /// <summary>Why the last pass failed, for the operator; null if it did not.</summary>
    public string? Fault => _fault;

    /// <summary>How far the search for a 0xDA7A key is; null while there is none.</summary>
    public KeyGenerationProgress? Generating => _generating?.Value;

    /// <summary>Completes when every plan has its keys, also those that take long to find.</summary>
    public Task Complete => _complete.Task;

    /// <summary>Loads the keys, makes the 0x0002 keys that are missing, and begins the search for a missing 0xDA7A key.</summary>
    public static async Task<KeyRotation> StartAsync(
        KeyStore store, IReadOnlyList<Plan> plans, IReadOnlyList<PseudonymOffer> offers, TimeProvider time, ILogger log, IProgress<KeyGenerationProgress>? progress,
        CancellationToken cancellationToken)
    {
        var rotation = new KeyRotation(store, plans, offers, time, log, progress);
        try
        {
            await rotation.RunAsync(cancellationToken);
            rotation._loop = Task.Run(rotation.LoopAsync, CancellationToken.None);
            return rotation;
        }
        catch
        {
            await rotation.DisposeAsync();
            throw;
        }
    }

    /// <summary>One pass: makes what is due, removes what is over, replaces the ring.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            // From here on a pass goes to its end: giving up between the disk and the picture in memory would leave the two apart.
            _isLoaded &= !_store.IsShared;
            await LoadAsync();
            _isLoaded = false;
            DateTimeOffset now = _time.GetUtcNow();
            await MakeBlindRsaKeysAsync(now);
            await MakePseudonymKeysAsync(now);
            bool complete = await UsePartiallyBlindRsaKeysAsync(now);
            await RemoveRetiredAsync(now);
            _isLoaded = true;
            _ring = BuildRing();
            foreach (SigningKey key in _gone)
            {
                key.Dispose();
            }

            _gone.Clear();
            DropUnusedDerivations();
            _fault = null;
            Volatile.Write(ref _lastPass, _time.GetTimestamp());
            if (complete)
            {
                _complete.TrySetResult();
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// Another signer on the same database may have made keys since the last pass. For a caller who names a key that is not here; at most one pass a second.
    /// </summary>
    public async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        if (!_store.IsShared || _time.GetElapsedTime(Volatile.Read(ref _lastPass)) < TimeSpan.FromSeconds(1))
        {
            return;
        }

        try
        {
            await RunAsync(cancellationToken);
        }
        catch (Exception e) when (e is StorageException or InvalidOperationException)
        {
            _fault = e.Message;
            LogPassFailed(_log, e.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        await _generation;
        _complete.TrySetCanceled();
        _ring = KeyRing.Empty;
        foreach (SigningKey key in _keys.Values.Concat(_gone))
        {
            key.Dispose();
        }

        _keys.Clear();
        _gone.Clear();
        _stop.Dispose();
        _gate.Dispose();
    }

    private async Task LoopAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(s_interval, _time, _stop.Token);
                await RunAsync(_stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Keys are made ahead: there is time until the disk has room again. Status and log say so meanwhile.
                _fault = e.Message;
                LogPassFailed(_log, e.Message);
            }
        }
    }

    /// <summary>
    /// Reads the keys from the disk at the start, again after a pass that failed (what of it got there is not known), and with each pass where other signers write there, too.
    /// </summary>
    private async Task LoadAsync()
    {
        if (_isLoaded)
        {
            return;
        }

        (IReadOnlyList<StoredKey> keys, IReadOnlyList<KeyUse> uses, IReadOnlyList<PseudonymUse> pseudonyms) = await _store.LoadAsync(CancellationToken.None);
        foreach (StoredKey stored in keys)
        {
            if (!_keys.ContainsKey(stored.KeyId))
            {
                _keys.Add(stored.KeyId, SigningKey.Load(stored, _store.Unseal(stored)));
            }
        }

        // Those that another signer removed stay usable until the ring is replaced.
        HashSet<byte[]> kept = keys.Select(key => key.KeyId).ToHashSet(BytesComparer.Instance);
        foreach (byte[] keyId in _keys.Keys.Where(keyId => !kept.Contains(keyId)).ToList())
        {
            _keys.Remove(keyId, out SigningKey? key);
            _gone.Add(key!);
        }

        _uses.Clear();
        _uses.AddRange(uses);
        _pseudonyms.Clear();
        _pseudonyms.AddRange(pseudonyms);
        _isLoaded = true;
    }

    private async Task MakeBlindRsaKeysAsync(DateTimeOffset now)
    {
        foreach (Plan plan in _plans.Where(plan => plan.TokenType == TokenType.BlindRsa))
        {
            foreach (Period period in KeySchedule.NeededPeriods(plan, now))
            {
                while (!HasUse(plan, period))
                {
                    await MakeBlindRsaKeyAsync(plan, period);
                }
            }
        }
    }

    private async Task MakeBlindRsaKeyAsync(Plan plan, Period period)
    {
        SigningKey key = await Task.Run(() => MakeBlindRsaKey(period.Start, period.Deadline));
        var use = new KeyUse(plan.Id, plan.TokenType, period, key.Stored.KeyId);
        if (!await TryKeepAsync(key, _store.AddKeyAsync(key.Stored, use)))
        {
            return;
        }

        _uses.Add(use);
        LogNewUse(_log, plan.Id, period.Start, period.Deadline);
    }

    /// <summary>Whether the new key was stored, and is ours to sign with; if another signer made keys meanwhile, it is dropped and they are read.</summary>
    private async Task<bool> TryKeepAsync(SigningKey key, Task<KeyAddition> storing)
    {
        KeyAddition addition;
        try
        {
            addition = await storing;
        }
        catch
        {
            key.Dispose();
            throw;
        }

        if (addition != KeyAddition.Added)
        {
            key.Dispose();
            _isLoaded = false;
            await LoadAsync();
            return false;
        }

        _keys.Add(key.Stored.KeyId, key);
        return true;
    }

    /// <summary>False if a key is missing; its search is under way then.</summary>
    private async Task<bool> UsePartiallyBlindRsaKeysAsync(DateTimeOffset now)
    {
        (DateTimeOffset From, DateTimeOffset Until)? missing = null;
        foreach (Plan plan in _plans.Where(plan => plan.TokenType == TokenType.PartiallyBlindRsa))
        {
            foreach (Period period in KeySchedule.NeededPeriods(plan, now))
            {
                if (HasUse(plan, period))
                {
                    continue;
                }

                SigningKey? key = _keys.Values.FirstOrDefault(key => key.Stored.TokenType == TokenType.PartiallyBlindRsa
                    && key.Stored.ServesFrom <= period.Start && period.Start < key.Stored.ServesUntil);
                if (key is not null)
                {
                    await AddUseAsync(plan, period, key);
                }
                else if (missing is null || KeySchedule.ServiceOf(TokenType.PartiallyBlindRsa, period).From < missing.Value.From)
                {
                    missing = KeySchedule.ServiceOf(TokenType.PartiallyBlindRsa, period);
                }
            }
        }

        if (missing is not null && _generation.IsCompleted && !_stop.IsCancellationRequested)
        {
            _generation = Task.Run(() => SearchAsync(missing.Value.From, missing.Value.Until), CancellationToken.None);
        }

        return missing is null;
    }

    private async Task SearchAsync(DateTimeOffset from, DateTimeOffset until)
    {
        try
        {
            LogSearch(_log);
            var progress = new Reporter(this);
            SigningKey key;
            do
            {
                using PartiallyBlindRsaPrivateKey generated =
                    await PartiallyBlindRsaPrivateKey.GenerateAsync(TokenTypes.ModulusSizeInBytes * 8, progress, _stop.Token);
                byte[] spki = generated.PublicKey.ExportSubjectPublicKeyInfo();
                key = Protect(TokenType.PartiallyBlindRsa, spki, generated.ExportPkcs8(), from, until);
            }
            while (!await TryAddLockedAsync(key));
            _generating = null;
            LogFound(_log);
            await RunAsync(_stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Stopped in the middle of the search: it begins anew at the next start.
        }
        catch (Exception e)
        {
            _fault = e.Message;
            LogPassFailed(_log, e.Message);
        }
        finally
        {
            _generating = null;
        }
    }

    private async Task<bool> TryAddLockedAsync(SigningKey key)
    {
        await _gate.WaitAsync(_stop.Token);
        try
        {
            await LoadAsync();
            if (IsTruncatedIdTaken(key.Stored.KeyId))
            {
                key.Dispose();
                return false;
            }

            KeyAddition addition = await _store.AddKeyAsync(key.Stored, use: null);
            if (addition != KeyAddition.Added)
            {
                key.Dispose();
                _isLoaded = false;
                return addition == KeyAddition.NotNeeded;
            }

            _keys.Add(key.Stored.KeyId, key);
            return true;
        }
        finally
        {
            _gate.Release();
        }
    }

    private SigningKey MakeBlindRsaKey(DateTimeOffset from, DateTimeOffset until)
    {
        while (true)
        {
            using BlindRsaPrivateKey generated = BlindRsaPrivateKey.Generate(TokenTypes.ModulusSizeInBytes * 8);
            byte[] spki = generated.PublicKey.ExportSubjectPublicKeyInfo();
            if (!IsTruncatedIdTaken(SHA256.HashData(spki)))
            {
                return Protect(TokenType.BlindRsa, spki, generated.ExportPkcs8(), from, until);
            }
        }
    }

    private SigningKey Protect(TokenType type, byte[] spki, byte[] pkcs8, DateTimeOffset from, DateTimeOffset until)
    {
        byte[] keyId = SHA256.HashData(spki);
        return SigningKey.Load(new StoredKey(type, keyId, spki, _store.Seal(pkcs8, keyId), from, until), pkcs8);
    }

    /// <summary>A request names its key by one byte (RFC 9578 §5.1, §6.1): no two keys that are kept share it, whatever their type.</summary>
    private bool IsTruncatedIdTaken(byte[] keyId) => _keys.Count < MaxKeys
        ? _keys.Keys.Any(other => other[^1] == keyId[^1])
        : throw new InvalidOperationException($"the signer keeps {MaxKeys} keys already, and requests tell no more apart: offer fewer plans");

    private async Task AddUseAsync(Plan plan, Period period, SigningKey key)
    {
        var use = new KeyUse(plan.Id, plan.TokenType, period, key.Stored.KeyId);
        if (!await _store.AddUseAsync(use))
        {
            _isLoaded = false;
            await LoadAsync();
            return;
        }

        _uses.Add(use);
        LogNewUse(_log, plan.Id, period.Start, period.Deadline);
    }

    private async Task RemoveRetiredAsync(DateTimeOffset now)
    {
        foreach (KeyUse use in _uses.ToList())
        {
            bool isOver = use.Period.ExchangeUntil <= now;
            if (isOver && use.OverSince is DateTimeOffset since && since + KeySchedule.RemovalDelay <= now)
            {
                await _store.RemoveUseAsync(use);
                _uses.Remove(use);
            }
            else if (isOver != use.OverSince is not null)
            {
                KeyUse noted = use with { OverSince = isOver ? now : null };
                await _store.SetOverSinceAsync(noted);
                _uses[_uses.IndexOf(use)] = noted;
            }
        }

        await RetirePseudonymsAsync(now);
        foreach (SigningKey key in _keys.Values.ToList())
        {
            bool isUsed = _uses.Exists(use => use.KeyId.AsSpan().SequenceEqual(key.Stored.KeyId))
                || _pseudonyms.Exists(use => use.Key.TokenKeyId.AsSpan().SequenceEqual(key.Stored.KeyId));
            if (!isUsed && key.Stored.ServesUntil <= now)
            {
                await _store.RemoveKeyAsync(key.Stored.KeyId);
                _keys.Remove(key.Stored.KeyId);
                _gone.Add(key);
            }
        }
    }

    private KeyRing BuildRing() => KeyRing.Create(
        _keys.Values
            .OrderBy(key => key.Stored.ServesFrom)
            .Select(key => (key, (IReadOnlyList<KeyUse>)_uses.FindAll(use => use.KeyId.AsSpan().SequenceEqual(key.Stored.KeyId)))),
        _plans.ToDictionary(KeyRing.OfferOf, plan => plan.Kind, StringComparer.Ordinal),
        RingPseudonyms());

    private void DropUnusedDerivations()
    {
        foreach (SigningKey key in _keys.Values.Where(key => key.Stored.TokenType == TokenType.PartiallyBlindRsa))
        {
            key.KeepOnly(_uses
                .Where(use => use.KeyId.AsSpan().SequenceEqual(key.Stored.KeyId))
                .Select(use => new PlanMetadata(use.PlanId, use.Period.Deadline).EncodeExtensions())
                .ToHashSet(BytesComparer.Instance));
        }
    }

    private bool HasUse(Plan plan, Period period) =>
        _uses.Exists(use => use.PlanId == plan.Id && use.TokenType == plan.TokenType && use.Period == period);

    [LoggerMessage(Level = LogLevel.Information, Message = "Plan {Plan} has a key for {Start:yyyy-MM-dd} to {Deadline:yyyy-MM-dd}.")]
    private static partial void LogNewUse(ILogger logger, string plan, DateTimeOffset start, DateTimeOffset deadline);

    [LoggerMessage(Level = LogLevel.Information, Message = "Searching safe primes for a 0xDA7A key; 0x0002 plans work meanwhile.")]
    private static partial void LogSearch(ILogger logger);

    [LoggerMessage(Level = LogLevel.Information, Message = "Found a 0xDA7A key.")]
    private static partial void LogFound(ILogger logger);

    [LoggerMessage(Level = LogLevel.Error, Message = "Keys could not be rotated: {Reason}")]
    private static partial void LogPassFailed(ILogger logger, string reason);

    private sealed class Reporter(KeyRotation rotation) : IProgress<KeyGenerationProgress>
    {
        public void Report(KeyGenerationProgress value)
        {
            rotation._generating = new StrongBox<KeyGenerationProgress>(value);
            rotation._progress?.Report(value);
        }
    }
}
