using System.Diagnostics.CodeAnalysis;
using Tacit.Client.Evidence;
using Tacit.Client.Transports;
using Tacit.Crypto;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>
/// The issuer's directory, the only place keys, plans and gateways are taken from. Believed if the pinned key signed it, its number never goes back, one
/// number never stands for two documents, and consecutive numbers are chained by hash; and only if the copies that gateways and mirrors show, fetched each on a
/// connection of its own and without an account, do not contradict it. A contradiction is kept, and nothing is bought or spent until the user has looked at
/// it. The last directory believed is stored and serves without a network. Thread safe.
/// </summary>
public sealed partial class DirectoryClient : IDisposable
{
    /// <summary>A prompt for a model that does not exist must not make this wallet ask the issuer each time.</summary>
    private static readonly TimeSpan LookForNewerEvery = TimeSpan.FromMinutes(5);

    private readonly Database _database;
    private readonly IdentityCaller _caller;
    private readonly AnonymousCaller _copies;
    private readonly CarrierRules _rules;
    private readonly DirectoryOptions _options;
    private readonly EvidenceJudge _judge;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private volatile IssuerDirectory? _current;

    /// <summary>The issuer's onion service in the stored directory, where nothing else of that was needed yet.</summary>
    private volatile string? _onion;
    private long _lookedForNewer;

    public DirectoryClient(Wallet wallet, TransportPool transports, DirectoryOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(wallet);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _database = wallet.Journal.Database;
        _caller = new IdentityCaller(transports, time);
        _copies = new AnonymousCaller(transports, time);
        _rules = transports.Rules;
        _options = options;
        _judge = new EvidenceJudge(options.Evidence);
        _time = time;
    }

    /// <summary>The issuer's base address, which names the directory in the wallet.</summary>
    public Uri Issuer => _options.Issuer;

    /// <summary>Where it is reached: at its onion service, if the directory tells of one and Tor is used; but not in place of an address on this machine.</summary>
    internal Uri IssuerAddress => AddressUnder(_onion ?? _current?.Onion);

    internal long MinCrowd => _options.MinCrowd;

    private string Name => _options.Issuer.GetLeftPart(UriPartial.Path).TrimEnd('/');

    /// <summary>The directory as it was last believed; fetched if there is none yet.</summary>
    public async Task<DirectorySummary> GetAsync(CancellationToken cancellationToken = default) => Summarise(await CurrentAsync(cancellationToken));

    /// <summary>The directory as it is stored; null if there is none that is believed. Calls nobody.</summary>
    public async Task<DirectorySummary?> RecallAsync(CancellationToken cancellationToken = default) =>
        (_current ?? (await FindStoredAsync(cancellationToken)).Directory) is IssuerDirectory stored ? Summarise(stored) : null;

    /// <summary>Fetches the directory now. Nothing changes if it is refused or cannot be reached.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.DirectoryUnavailable"/>, <see cref="ClientError.DirectoryRefused"/> or
    /// <see cref="ClientError.DirectoryNotPinned"/>.</exception>
    public async Task<DirectorySummary> RefreshAsync(CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return Summarise(await FetchAsync(await LoadUnchallengedAsync(cancellationToken), cancellationToken));
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Recalls where the issuer is reached from the stored directory, if nothing else has read that yet.</summary>
    internal async Task RecallAddressAsync(CancellationToken cancellationToken)
    {
        if (_current is null && _onion is null && (await FindStoredAsync(cancellationToken)).Directory is IssuerDirectory stored)
        {
            _onion = stored.Onion;
        }
    }

    /// <summary>The directory as it is stored, and when it was fetched; null if there is none that is believed.</summary>
    internal async Task<(IssuerDirectory? Directory, DateTimeOffset? Fetched)> FindStoredAsync(CancellationToken cancellationToken)
    {
        try
        {
            Stored stored = await LoadAsync(cancellationToken);
            long? fetched = stored.Directory is null ? null : await _database.ReadAsync(
                session => session.QueryInt64("SELECT fetched FROM directory WHERE issuer = $1", Name), cancellationToken);
            return (stored.Directory, fetched is long seconds ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null);
        }
        catch (ClientException)
        {
            // Not pinned yet, or refused: what uses it says so.
            return (null, null);
        }
    }

    public void Dispose() => _gate.Dispose();

    /// <summary>The stored directory, or the first fetch.</summary>
    internal async Task<IssuerDirectory> CurrentAsync(CancellationToken cancellationToken)
    {
        if (_current is IssuerDirectory current)
        {
            return current;
        }
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_current is not null)
            {
                return _current;
            }
            Stored stored = await LoadUnchallengedAsync(cancellationToken);
            return _current = stored.Directory ?? await FetchAsync(stored, cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>
    /// As <see cref="CurrentAsync(CancellationToken)"/>, but fetches a newer one, at most every five minutes, if the stored one is not enough: a program that
    /// slept for a month has a directory of keys that have all ended. Falls back to the stored one where no newer can be had.
    /// </summary>
    internal async Task<IssuerDirectory> CurrentAsync(Func<IssuerDirectory, bool> isEnough, CancellationToken cancellationToken)
    {
        IssuerDirectory current = await CurrentAsync(cancellationToken);
        if (isEnough(current) || !MayLookForNewer())
        {
            return current;
        }
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return await FetchAsync(await LoadUnchallengedAsync(cancellationToken), cancellationToken);
        }
        catch (ClientException e) when (e.Error == ClientError.DirectoryUnavailable || e.IsOfCarrier)
        {
            return current;
        }
        finally
        {
            _gate.Release();
        }
    }

    private bool MayLookForNewer()
    {
        long now = _time.GetTimestamp();
        long last = Volatile.Read(ref _lookedForNewer);
        return (last == 0 || _time.GetElapsedTime(last, now) >= LookForNewerEvery) && Interlocked.CompareExchange(ref _lookedForNewer, now, last) == last;
    }

    private async Task<IssuerDirectory> FetchAsync(Stored stored, CancellationToken cancellationToken)
    {
        // Before the issuer is asked: a gateway that could learn from it who asks, and when, has shown its copy by then.
        Route[] knownSources = KnownSources(stored.Directory);
        ShownDirectory[] known = await FetchCopiesAsync(knownSources, stored.Key, cancellationToken);
        ServiceReply reply = await AskIssuerAsync(stored, cancellationToken);
        IssuerDirectory fetched = await BelieveAsync(reply.Body, stored, cancellationToken);
        var own = new ShownDirectory(new DirectoryCopy(Name, fetched.Sequence, null, null, false), fetched, reply.Body);
        ShownDirectory[] listed = await FetchCopiesAsync(ListedSources(fetched, knownSources), stored.Key, cancellationToken);
        await RefuseContradictionsAsync([own, .. known, .. listed], stored, cancellationToken);
        ShownDirectory chosen = Choose(own, stored.Directory, stored.Directory is null ? [.. known, .. listed] : known);
        IssuerDirectory directory = chosen.Directory!;
        if (chosen.Document is null)
        {
            return _current = directory;
        }
        await _database.WriteAsync(
            session => session.Execute(
                """
                INSERT INTO directory (issuer, pinned_key, sequence, document, fetched) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (issuer) DO UPDATE SET sequence = excluded.sequence, document = excluded.document, fetched = excluded.fetched
                """,
                Name, stored.Key, directory.Sequence, chosen.Document, _time.GetUtcNow().ToUnixTimeSeconds()),
            cancellationToken);
        _onion = directory.Onion;
        return _current = directory;
    }

    private async Task<ServiceReply> AskIssuerAsync(Stored stored, CancellationToken cancellationToken)
    {
        Uri address = AddressUnder(stored.Directory?.Onion);
        ServiceReply reply;
        try
        {
            try
            {
                reply = await GetAsync(address, cancellationToken);
            }
            catch (TransportException e) when (!e.IsOfTor && address != _options.Issuer && _rules.MayUse(_options.Issuer))
            {
                // Its onion service may have moved, of which only the directory itself tells.
                reply = await GetAsync(_options.Issuer, cancellationToken);
            }
        }
        catch (TransportException e)
        {
            throw e.ToClientException(ClientError.DirectoryUnavailable, $"The issuer's directory could not be fetched. {e.Message}");
        }
        return reply.IsSuccess
            ? reply
            : throw new ClientException(ClientError.DirectoryUnavailable, $"The issuer's directory could not be fetched: {_options.Issuer} answered {reply.Status}.");
    }

    private async Task<ServiceReply> GetAsync(Uri issuer, CancellationToken cancellationToken)
    {
        Route route = Route.Direct(issuer);
        using var request = new HttpRequestMessage(HttpMethod.Get, route.Resolve(Routes.IssuerDirectory));
        request.Headers.TryAddWithoutValidation("Accept", MediaTypes.IssuerDirectory);
        return await _caller.SendAsync(route, request, IssuerDirectory.MaxSizeInBytes, cancellationToken);
    }

    private Uri AddressUnder(string? onion) =>
        onion is null || (!CarrierRules.IsOnion(_options.Issuer) && _rules.MayUse(_options.Issuer) && _rules.For(_options.Issuer) == Carrier.Direct)
            ? _options.Issuer
            : _rules.Choose([new Uri(OnionAddress.ToUrl(onion)), _options.Issuer]) ?? _options.Issuer;

    private async Task<IssuerDirectory> BelieveAsync(byte[] document, Stored stored, CancellationToken cancellationToken)
    {
        IssuerDirectory fetched = Check(document, stored.Key);
        if (stored.Directory is not IssuerDirectory before)
        {
            return fetched;
        }
        if (fetched.FindConflict(before) is string conflict)
        {
            // Which of the two was made for this wallet alone cannot be told, and it may have tokens of that one.
            string contradiction = $"the issuer shows one that contradicts what this wallet has stored: {conflict}";
            await HoldAsync(stored, contradiction, cancellationToken);
            throw Held(contradiction);
        }
        return fetched.Sequence < before.Sequence ? throw Refused($"its number went back from {before.Sequence} to {fetched.Sequence}") : fetched;
    }

    private static IssuerDirectory Check(byte[] document, byte[] pinnedKey) =>
        TryCheck(document, pinnedKey, out IssuerDirectory? directory, out string? problem) ? directory : throw Refused(problem);

    internal static bool TryCheck(
        byte[] document, byte[] pinnedKey, [NotNullWhen(true)] out IssuerDirectory? directory, [NotNullWhen(false)] out string? problem)
    {
        if (!IssuerDirectory.TryParse(document, out directory, out problem))
        {
            return false;
        }
        using Ed25519PublicKey key = Ed25519PublicKey.Import(pinnedKey);
        if (directory.Verify((message, signature) => key.Verify(message.Span, signature.Span)))
        {
            return true;
        }
        (directory, problem) = (null, "the pinned directory key did not sign it");
        return false;
    }

    private static ClientException Refused(string why) => new(
        ClientError.DirectoryRefused,
        $"The issuer's directory is refused: {why}. Nothing is bought or spent under it. Compare the directory key with the operator's; if it is right, somebody between may be showing you keys of your own.");

    private async Task<Stored> LoadAsync(CancellationToken cancellationToken)
    {
        (byte[] Key, byte[]? Document, string? Contradiction)? row = await _database.ReadAsync<(byte[], byte[]?, string?)?>(
            session => session.TryQuerySingle(
                "SELECT pinned_key, document, contradiction FROM directory WHERE issuer = $1",
                r => (r.Blob(0), r.NullableBlob(1), r.NullableText(2)), out (byte[], byte[]?, string?) found, Name)
                ? found
                : null,
            cancellationToken);
        if (row is not { } stored)
        {
            return _options.DirectoryKey is ReadOnlyMemory<byte> first
                ? new Stored(first.ToArray(), null, null)
                : throw new ClientException(
                    ClientError.DirectoryNotPinned,
                    $"The directory key of {Name} is not known yet. Get it from the operator and set DirectoryKey: without it anybody could show you keys of your own.");
        }
        if (_options.DirectoryKey is ReadOnlyMemory<byte> given && !given.Span.SequenceEqual(stored.Key))
        {
            throw new ClientException(
                ClientError.DirectoryRefused,
                $"The setting DirectoryKey is not the key that this wallet pinned for {Name}. Take the setting out, or start a new wallet for the other issuer.");
        }
        // Checked again on every start: the file may have been changed.
        return new Stored(stored.Key, stored.Document is null ? null : Check(stored.Document, stored.Key), stored.Contradiction);
    }

    private DirectorySummary Summarise(IssuerDirectory directory)
    {
        DateTimeOffset now = _time.GetUtcNow();
        return new DirectorySummary
        {
            IssuerName = directory.IssuerName,
            Sequence = directory.Sequence,
            Plans = SummarisePlans(directory, now),
            Gateways = [.. directory.Gateways.Select(gateway => new GatewaySummary(gateway.Name, gateway.Urls, directory.FindPseudonyms(gateway.Name)?.Offer.Policy.ToName(), SummariseKeys(directory, gateway.Name)))],
        };
    }

    internal static IReadOnlyList<PlanSummary> SummarisePlans(IssuerDirectory directory, DateTimeOffset now) =>
    [
        .. directory.SoldPlans.Select(entry => new PlanSummary
        {
            Id = entry.Plan.Id,
            Kind = entry.Plan.Kind == PlanKind.Request ? "request" : "subscription",
            Models = entry.Plan.Models,
            MaxInputBytes = entry.Plan.MaxInputBytes,
            MaxOutputTokens = entry.Plan.MaxOutputTokens,
            Price = entry.Plan.Price.Value,
            Concurrency = entry.Plan.Concurrency,
            Period = entry.Plan.Period.ToName(),
            TokenType = $"0x{(ushort)entry.Plan.TokenType:X4}",
            LiveKeys = [.. entry.LiveKeysAt(now).Select(key => new PlanKeySummary(Convert.ToHexStringLower(key.TokenKeyId), key.Start, key.Deadline, key.Accounts))],
        }),
    ];

    private sealed record Stored(byte[] Key, IssuerDirectory? Directory, string? Contradiction);
}
