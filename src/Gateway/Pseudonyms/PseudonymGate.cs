using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Pseudonyms;

/// <summary>
/// Abuse control by pseudonyms, where the directory's policy asks for them. A ban or a replacement holds at once at the instance that made it, and at the others on
/// the database within <see cref="RefreshInterval"/>.
/// </summary>
internal sealed partial class PseudonymGate : IAsyncDisposable
{
    /// <summary>How often an instance asks the database whether bans or replacements have changed.</summary>
    public static readonly TimeSpan RefreshInterval = TimeSpan.FromSeconds(2);

    private const int MaxListed = 1000;
    private static readonly SearchValues<char> s_hexDigits = SearchValues.Create("0123456789abcdef");
    private static readonly TimeSpan s_purgeInterval = TimeSpan.FromMinutes(1);

    private readonly PseudonymStore _store;
    private readonly PseudonymQuota _quota;
    private readonly SignatureQueue _signatures;
    private readonly VerifiedPseudonyms _verified = new();
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private volatile PseudonymRegister _register = PseudonymRegister.Empty;
    private Task _loop = Task.CompletedTask;

    private PseudonymGate(PseudonymStore store, PseudonymQuota quota, SignatureQueue signatures, TimeProvider time, ILogger log)
    {
        _store = store;
        _quota = quota;
        _signatures = signatures;
        _time = time;
        _log = log;
    }

    public static async Task<PseudonymGate> StartAsync(
        Database database, PseudonymLimits limits, SignatureQueue signatures, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var gate = new PseudonymGate(
            await PseudonymStore.OpenAsync(database, cancellationToken), new PseudonymQuota(database, limits, time), signatures, time, log);
        await gate.RefreshAsync(cancellationToken);
        gate._loop = gate.RunAsync();
        return gate;
    }

    /// <summary>Reads what came beside the token, by lookup: kind, key, epoch, challenge. Null and no error where nothing is asked for.</summary>
    public bool TryRead(IHeaderDictionary headers, PlanCatalog catalog, out ShownPseudonyms? shown, [NotNullWhen(false)] out ApiError? error)
    {
        (shown, error) = (null, null);
        PseudonymCatalog pseudonyms = catalog.Pseudonyms;
        if (pseudonyms.Policy == PseudonymPolicy.None)
        {
            // One that is shown all the same is not looked at: whoever sends it has an older directory.
            return true;
        }

        if (headers[Routes.PseudonymHeader] is not { Count: > 0 } values)
        {
            error = Error(ErrorCodes.PseudonymRequired, $"This gateway takes tokens with a pseudonym beside them only ({pseudonyms.Policy.ToName()}): the issuer's directory says so.");
            return false;
        }

        if (!PseudonymHeader.TryParse(values, out IReadOnlyList<byte[]>? tokens))
        {
            error = Error(ErrorCodes.PseudonymInvalid, "The header is not one PrivateToken for each kind that is asked for.");
            return false;
        }

        var all = new List<ShownPseudonym>();
        PseudonymPolicy kinds = PseudonymPolicy.None;
        foreach (byte[] encoded in tokens)
        {
            if (Check(encoded, catalog, out ApiError? fault) is not { } pseudonym)
            {
                error = fault!;
                return false;
            }

            all.Add(pseudonym);
            kinds |= pseudonym.Key.Kind == PseudonymKind.Permanent ? PseudonymPolicy.Permanent : PseudonymPolicy.Transient;
        }

        if (kinds != pseudonyms.Policy || all.Count != (kinds == PseudonymPolicy.Both ? 2 : 1))
        {
            error = Error(ErrorCodes.PseudonymInvalid, $"This gateway asks for {pseudonyms.Policy.ToName()} pseudonyms, one of each kind and no other.");
            return false;
        }

        shown = new ShownPseudonyms(this, all);
        return true;
    }

    /// <summary>One pseudonym by lookup; its signature is not looked at.</summary>
    public ShownPseudonym? Check(byte[] encoded, PlanCatalog catalog, out ApiError? error)
    {
        error = null;
        if (!Token.TryParse(encoded, out Token? token) || token.Type != TokenType.BlindRsa)
        {
            error = Error(ErrorCodes.PseudonymInvalid, "The pseudonym is no token of type 0x0002.");
        }
        else if (!catalog.Pseudonyms.TryFind(token.TokenKeyId, out PseudonymKey? key, out RedemptionKey? check))
        {
            // Keys of epochs that are over are no longer in the directory, so this is what most expired ones meet.
            error = Error(ErrorCodes.PseudonymExpired, "No key of this gateway's pseudonyms matches: it is of an epoch that is over, or of another gateway.");
        }
        else if (!key.IsTakenAt(_time.GetUtcNow()))
        {
            error = Error(ErrorCodes.PseudonymExpired, "The pseudonym is of another epoch.");
        }
        else if (!CryptographicOperations.FixedTimeEquals(token.ChallengeDigest, catalog.ChallengeDigest(token.Type)))
        {
            error = Error(ErrorCodes.PseudonymInvalid, "The pseudonym was issued for another challenge, so for another gateway.");
        }
        else
        {
            return new ShownPseudonym(token, key, check);
        }

        return null;
    }

    /// <summary>Signatures, replacements, bans; null if the request may go on.</summary>
    public async ValueTask<ApiError?> AdmitAsync(ShownPseudonyms shown, Presenter presenter)
    {
        foreach (ShownPseudonym pseudonym in shown.All)
        {
            if (await VerifyAsync(pseudonym, presenter) is ApiError invalid)
            {
                return invalid;
            }

            PseudonymRegister register = _register;
            if (register.Successors.ContainsKey(pseudonym.Id!))
            {
                return Error(ErrorCodes.PseudonymInvalid, "The pseudonym was replaced by its owner.");
            }

            if (pseudonym.Key.Kind == PseudonymKind.TransientRotated)
            {
                if (!register.Predecessors.TryGetValue(pseudonym.Id!, out string? old))
                {
                    // Perhaps the rotation was at another instance a moment ago.
                    await TryRefreshAsync();
                    register = _register;
                    if (!register.Predecessors.TryGetValue(pseudonym.Id!, out old))
                    {
                        return Error(ErrorCodes.PseudonymInvalid, "A rotated pseudonym is good once it has taken the place of the one before: POST /v1/pseudonym/rotate.");
                    }
                }

                pseudonym.Id = old;
            }

            if (register.Bans.TryGetValue(pseudonym.Id!, out PseudonymBan? ban) && (ban.Until is not DateTimeOffset until || _time.GetUtcNow() < until))
            {
                return Error(ErrorCodes.PseudonymBanned, Explain(ban));
            }
        }

        return null;
    }

    /// <summary>The signature, unless it was checked lately, and then what the pseudonym is called.</summary>
    public async ValueTask<ApiError?> VerifyAsync(ShownPseudonym pseudonym, Presenter presenter)
    {
        var hash = new SpendId(SHA256.HashData(pseudonym.Token.Encoded.Span));
        if (_verified.TryGet(hash, out string? known))
        {
            pseudonym.Id = known;
            return null;
        }

        switch (await _signatures.VerifyAsync(pseudonym.Check, pseudonym.Token, null, presenter))
        {
            case SignatureVerdict.Busy:
                return Endpoints.GatewayParts.Busy();
            case SignatureVerdict.Invalid:
                return Error(ErrorCodes.PseudonymInvalid, "The pseudonym's signature is not the issuer's.");
            default:
                pseudonym.Id = _store.IdOf(pseudonym.Token.TokenInput);
                _verified.Add(hash, pseudonym.Id);
                return null;
        }
    }

    public async ValueTask<(QuotaTaken Taken, ApiError? Error)> CountAsync(string id)
    {
        try
        {
            QuotaTaken taken = await _quota.TakeAsync(id);
            return taken.Wait is not TimeSpan wait
                ? (taken, null)
                : (taken, Error(ErrorCodes.PseudonymRateLimited, "The pseudonym has used up its requests for now.") with { RetryAfter = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)) });
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
            return (default, ApiError.Create(ErrorCodes.Unavailable, "The gateway cannot count requests right now; nothing was spent. Try again later."));
        }
    }

    public void GiveBack(string id, QuotaTaken taken) => _quota.GiveBack(id, taken);

    /// <summary>Moderation refused a prompt of these pseudonyms. A count that fails is lost, with a word in the log.</summary>
    public async Task CountRefusalAsync(IReadOnlyList<string> ids)
    {
        try
        {
            await _store.CountRefusalAsync(ids, _time.GetUtcNow(), CancellationToken.None);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
        }
    }

    /// <summary>Puts <paramref name="rotated"/> in the place of <paramref name="old"/>, both of which were verified; false if one of them has another partner.</summary>
    public async Task<bool> ReplaceAsync(ShownPseudonym old, ShownPseudonym rotated, CancellationToken cancellationToken)
    {
        bool replaced = await _store.ReplaceAsync(old.Id!, rotated.Id!, old.Key.Deadline!.Value, cancellationToken);
        await TryRefreshAsync();
        return replaced;
    }

    /// <summary>What is wrong with a ban, or null.</summary>
    public static string? FindFault(PseudonymBan ban) =>
        ban.Id is not { Length: 32 } || ban.Id.AsSpan().ContainsAnyExcept(s_hexDigits) ? "id"
        : ban.Reason is not { Length: > 0 and <= 200 } || ban.Reason.Any(char.IsControl) ? "reason"
        : null;

    /// <summary>The ban as it was made: its end to the full minute.</summary>
    public async Task<PseudonymBan> BanAsync(PseudonymBan ban, CancellationToken cancellationToken)
    {
        PseudonymBan made = ban with
        {
            Until = ban.Until is DateTimeOffset until ? DateTimeOffset.FromUnixTimeSeconds((until.ToUnixTimeSeconds() + 59) / 60 * 60) : null,
        };
        await _store.BanAsync(made, cancellationToken);
        await RefreshAsync(cancellationToken);
        return made;
    }

    public async Task<bool> UnbanAsync(string id, CancellationToken cancellationToken)
    {
        bool was = await _store.UnbanAsync(id, cancellationToken);
        await RefreshAsync(cancellationToken);
        return was;
    }

    public async Task<PseudonymReport> ListAsync(PseudonymPolicy policy, CancellationToken cancellationToken) =>
        new(policy.ToName(), await _store.ListAsync(_time.GetUtcNow(), MaxListed, cancellationToken));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        try
        {
            await _quota.ReturnAsync();
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
        }
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(RefreshInterval, _time);
        long? purged = null;
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                await TryRefreshAsync();
                if (purged is not long last || _time.GetElapsedTime(last) >= s_purgeInterval)
                {
                    purged = _time.GetTimestamp();
                    _quota.Trim();
                    await TryAsync(() => _store.PurgeAsync(_time.GetUtcNow(), _stop.Token));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    private Task TryRefreshAsync() => TryAsync(() => RefreshAsync(_stop.Token));

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        if (await _store.ReadAsync(_register.Version, cancellationToken) is { } changed && changed.Version > _register.Version)
        {
            _register = changed;
        }
    }

    private async Task TryAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
        }
    }

    private static string Explain(PseudonymBan ban) => ban.Until is DateTimeOffset until
        ? string.Create(CultureInfo.InvariantCulture, $"This pseudonym is banned until {until.UtcDateTime:yyyy-MM-dd HH:mm} UTC: {ban.Reason}")
        : $"This pseudonym is banned: {ban.Reason}";

    private static ApiError Error(string code, string message) => ApiError.Create(code, message, Routes.PseudonymHeader);

    [LoggerMessage(Level = LogLevel.Warning, Message = "What is kept of pseudonyms could not be read or written ({Kind}).")]
    private static partial void LogFailed(ILogger log, StorageErrorKind kind);
}
