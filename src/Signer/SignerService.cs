using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>
/// The signer in this process. It signs for plans that are live, by lookup before any arithmetic, and stores and logs nothing about a request.
/// </summary>
public sealed class SignerService : ISigner, IAsyncDisposable
{
    private const int MaxMessages = GenericBatchRequest.MaxRequests;

    private readonly KeyStore _store;
    private readonly KeyRotation _rotation;
    private readonly SigningQueue _queue;
    private readonly SigningTotals _totals;
    private readonly RenewalBrake _renewals;
    private readonly TimeProvider _time;
    private int _disposed;

    private SignerService(KeyStore store, KeyRotation rotation, SigningQueue queue, SigningTotals totals, RenewalBrake renewals, TimeProvider time)
    {
        _totals = totals;
        _renewals = renewals;
        _store = store;
        _rotation = rotation;
        _queue = queue;
        _time = time;
    }

    /// <summary>Elements that wait for their signature.</summary>
    internal int Queued => _queue.Queued;

    /// <summary>Elements signed for a purpose since the start, over all plans.</summary>
    internal long SignedSinceStart(SigningPurpose purpose) => _totals.SinceStart(purpose);

    /// <summary>Completes when every plan has its keys; 0x0002 plans have theirs from the start.</summary>
    public Task AllKeysReady => _rotation.Complete;

    /// <summary>
    /// Opens the keys in <see cref="SignerOptions.DataDirectory"/> and makes the 0x0002 keys that are missing. A missing 0xDA7A key is searched for in the
    /// background, with its progress reported.
    /// </summary>
    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="KeyProtectionException">The passphrase or key file is missing or wrong; nothing was touched.</exception>
    /// <exception cref="StorageException">The database can't be opened.</exception>
    public static async Task<SignerService> OpenAsync(
        SignerOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken, IProgress<KeyGenerationProgress>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggers);
        var validation = new SettingsValidation();
        options.Validate(validation);
        validation.ThrowIfAny();
        DataFolder.Create(options.DataDirectory);

        KeyStore store;
        (KeyProtectionKind kind, SecretReference reference, string setting) = options.KeySecret;
        using (SecretBytes secret = reference.Load(setting))
        {
            Database database = options.Database.LoadConnectionString() is string postgres
                ? await Database.OpenPostgresAsync(
                    new PostgresOptions { ConnectionString = postgres, Readers = options.Database.Readers }, SignerSchema.Migrations, time, cancellationToken)
                : await Database.OpenSqliteAsync(Path.Combine(options.DataDirectory, SignerOptions.DatabaseName), SignerSchema.Migrations, time, cancellationToken);
            store = await KeyStore.OpenAsync(database, kind, secret.Memory, cancellationToken);
        }

        try
        {
            ILogger log = loggers.CreateLogger("Tacit.Signer");
            KeyRotation rotation = await KeyRotation.StartAsync(store, options.Plans, options.Pseudonyms, time, log, progress, cancellationToken);
            return new SignerService(
                store, rotation, new SigningQueue(options.SigningThreads, options.MaxQueuedElements, log), new SigningTotals(store, time, log),
                new RenewalBrake(options.RenewalsPerSecond, time), time);
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset now = _time.GetUtcNow();
        var keys = new List<SignerKey>();
        foreach (SignerKey key in _rotation.Ring.Published)
        {
            if (key.Pseudonym is not null)
            {
                if (key.Pseudonym.Deadline is not DateTimeOffset deadline || now < deadline)
                {
                    keys.Add(key);
                }

                continue;
            }

            List<PlanKey> worth = key.Plans.Where(plan => now < plan.ExchangeUntil).ToList();
            if (worth.Count > 0)
            {
                keys.Add(key with { Plans = worth });
            }
        }

        return ValueTask.FromResult<IReadOnlyList<SignerKey>>(keys);
    }

    public async ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.BlindedMessages.Count is 0 or > MaxMessages || request.BlindedMessages.Any(message => message.Length != TokenTypes.ModulusSizeInBytes))
        {
            return SignResponse.Refused(SignStatus.Malformed);
        }

        if (request.Purpose == SigningPurpose.Pseudonym)
        {
            return await SignPseudonymAsync(request, cancellationToken);
        }

        KeyRingEntry? entry = _rotation.Ring.Find(request.TokenKeyId, request.Extensions, out bool keyIsKnown);
        if (entry is null)
        {
            await _rotation.CatchUpAsync(cancellationToken);
            entry = _rotation.Ring.Find(request.TokenKeyId, request.Extensions, out keyIsKnown);
        }

        if (entry is null)
        {
            return SignResponse.Refused(keyIsKnown ? SignStatus.PlanNotLive : SignStatus.UnknownKey);
        }

        if (!entry.SignsFor(request.Purpose, _time.GetUtcNow()))
        {
            return SignResponse.Refused(SignStatus.PlanNotLive);
        }

        if (request.Purpose == SigningPurpose.Renewal && !_renewals.TryTake(entry.PlanKey, request.BlindedMessages.Count))
        {
            return SignResponse.Refused(SignStatus.RateLimited);
        }

        if (!entry.Key.TryLease())
        {
            return SignResponse.Refused(SignStatus.UnknownKey);
        }

        try
        {
            Task<SigningResult>? signing = _queue.TrySign(entry.Key, request.BlindedMessages, cancellationToken);
            if (signing is null)
            {
                return SignResponse.Refused(SignStatus.Busy);
            }

            SigningResult result = await signing;
            if (result.Status == BlindSignStatus.Success)
            {
                _totals.Add(entry.PlanKey, request.Purpose, request.BlindedMessages.Count);
            }

            return Respond(result);
        }
        finally
        {
            entry.Key.Release();
        }
    }

    /// <summary>Keys of pseudonyms sign for this purpose only, and no other key does.</summary>
    private async Task<SignResponse> SignPseudonymAsync(SignRequest request, CancellationToken cancellationToken)
    {
        if (_rotation.Ring.FindPseudonym(request, _time.GetUtcNow()) is not LeasedKey key)
        {
            return SignResponse.Refused(_rotation.Ring.IsPseudonymKey(request.TokenKeyId) ? SignStatus.PlanNotLive : SignStatus.UnknownKey);
        }

        if (!key.TryLease())
        {
            return SignResponse.Refused(SignStatus.UnknownKey);
        }

        try
        {
            Task<SigningResult>? signing = _queue.TrySign(key, request.BlindedMessages, cancellationToken);
            return signing is null ? SignResponse.Refused(SignStatus.Busy) : Respond(await signing);
        }
        finally
        {
            key.Release();
        }
    }

    /// <summary>Makes and removes what is due now, without waiting for the schedule.</summary>
    public Task RotateAsync(CancellationToken cancellationToken) => _rotation.RunAsync(cancellationToken);

    /// <summary>How many elements were signed, by plan, period and purpose; nothing of any one of them.</summary>
    public async Task<SignerTotals> GetTotalsAsync(CancellationToken cancellationToken) => SignerTotals.Of(await _totals.ReadAsync(cancellationToken));

    /// <summary>What an operator wants to know; nothing of it is about users.</summary>
    public SignerStatus GetStatus()
    {
        DateTimeOffset now = _time.GetUtcNow();
        return new SignerStatus
        {
            Keys = [.. _rotation.Ring.Published.SelectMany(key => key.Plans.Select(plan => SignerKeyStatus.Of(key, plan, now)))],
            QueuedElements = _queue.Queued,
            SearchingKey = _rotation.Generating is not null,
            CandidatesTried = _rotation.Generating?.CandidatesTested,
            Fault = _rotation.Fault,
        };
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        // First what makes keys, then what uses them; each piece of work holds its key until it has ended.
        await _rotation.DisposeAsync();
        _queue.Dispose();
        await _totals.DisposeAsync();
        await _store.DisposeAsync();
    }

    private static SignResponse Respond(SigningResult result)
    {
        switch (result.Status)
        {
            case BlindSignStatus.Success:
                var signatures = new byte[result.Signatures.Length / TokenTypes.ModulusSizeInBytes][];
                for (int i = 0; i < signatures.Length; i++)
                {
                    signatures[i] = result.Signatures.AsSpan(i * TokenTypes.ModulusSizeInBytes, TokenTypes.ModulusSizeInBytes).ToArray();
                }

                return SignResponse.Completed(signatures);
            case BlindSignStatus.InvalidInput:
                return SignResponse.Refused(SignStatus.InvalidBlindedMessage, result.FailedIndex);
            default:
                return SignResponse.Refused(SignStatus.Failed);
        }
    }
}
