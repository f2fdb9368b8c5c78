using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>A copy of the issuer's directory, as one source shows it.</summary>
/// <param name="Source">Where it was fetched.</param>
/// <param name="Sequence">Its number; null if there is no copy that could be had and read.</param>
/// <param name="Hash">SHA-256 of what is signed, 64 hexadecimal digits; null likewise.</param>
/// <param name="Problem">Why there is none, or what it contradicts; null if it agrees.</param>
/// <param name="IsContradiction">Whether the problem is a contradiction, and not just a copy that could not be had.</param>
public sealed record DirectoryCopy(string Source, long? Sequence, string? Hash, string? Problem, bool IsContradiction);

/// <summary>What a comparison by hand found.</summary>
/// <param name="IssuerName">The issuer.</param>
/// <param name="Copies">The issuer's own copy first.</param>
/// <param name="ChainFrom">The first number whose chain to the issuer's copy was followed.</param>
/// <param name="ChainProblem">Where the chain breaks; null if it does not.</param>
/// <param name="Held">The contradiction because of which nothing was bought or spent before this; null if there was none.</param>
/// <param name="Resumed">Whether that was lifted.</param>
public sealed record DirectoryAudit(
    string IssuerName, IReadOnlyList<DirectoryCopy> Copies, long ChainFrom, string? ChainProblem, string? Held, bool Resumed)
{
    /// <summary>Whether everything that could be had agrees.</summary>
    public bool Agrees => ChainProblem is null && Copies.Count > 0 && Copies[0].Sequence is not null && !Copies.Any(copy => copy.IsContradiction);
}

public sealed partial class DirectoryClient
{
    /// <summary>How long a gateway or mirror is waited for; one that is away holds nothing up for longer.</summary>
    private static readonly TimeSpan CopyTimeout = TimeSpan.FromSeconds(10);

    /// <summary>As many copies are compared at most: a directory must not turn those who read it into a crowd at somebody's door.</summary>
    private const int MaxSources = 16;

    /// <summary>The longest chain that is followed by hand.</summary>
    private const int MaxChainLength = 400;

    /// <summary>
    /// Compares the directories of all sources now, and follows the hash chain to the issuer's. With <paramref name="resume"/> a contradiction that was found
    /// earlier is lifted, if everything agrees now: that is for the user to decide, who may still hold tokens of keys that were theirs alone.
    /// </summary>
    /// <exception cref="ClientException"><see cref="ClientError.DirectoryNotPinned"/>.</exception>
    public async Task<DirectoryAudit> AuditAsync(bool resume, CancellationToken cancellationToken = default)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            Stored stored = await LoadAsync(cancellationToken);
            Route[] knownSources = KnownSources(stored.Directory);
            ShownDirectory[] known = await FetchCopiesAsync(knownSources, stored.Key, cancellationToken);
            ShownDirectory own = await FetchCopyAsync(_caller, Route.Direct(IssuerAddress), Routes.IssuerDirectory, stored.Key, cancellationToken);
            IssuerDirectory? reference = own.Directory ?? stored.Directory;
            ShownDirectory[] listed = reference is null ? [] : await FetchCopiesAsync(ListedSources(reference, knownSources), stored.Key, cancellationToken);
            ShownDirectory[] sources = Judge([own, .. known, .. listed], null);
            ShownDirectory[] all = Judge(sources, stored.Directory);
            string? chainProblem = null;
            long chainFrom = own.Directory?.Sequence ?? 0;
            if (own.Directory is not null)
            {
                (chainFrom, chainProblem) = await FollowChainAsync(own.Directory, stored.Key, cancellationToken);
            }
            var audit = new DirectoryAudit(reference?.IssuerName ?? Name, [.. all.Select(shown => shown.Copy)], chainFrom, chainProblem, stored.Contradiction, Resumed: false);
            DirectoryCopy? odd = audit.Copies.FirstOrDefault(copy => copy.IsContradiction);
            if (odd is not null && stored.Contradiction is null)
            {
                await HoldAsync(stored, $"{odd.Source} shows one that contradicts the others: {odd.Problem}", cancellationToken);
            }
            else if (resume && stored.Contradiction is not null && own.Directory is not null && chainProblem is null && !sources.Any(shown => shown.Copy.IsContradiction))
            {
                // Where all sources agree, but not with what is stored, that was shown to this wallet alone: it begins anew.
                string forgotten = odd is null ? "" : ", sequence = NULL, document = NULL, fetched = NULL";
                await _database.WriteAsync(
                    session => session.Execute($"UPDATE directory SET contradiction = NULL{forgotten} WHERE issuer = $1", Name), cancellationToken);
                audit = audit with { Copies = [.. sources.Select(shown => shown.Copy)], Resumed = true };
            }
            return audit;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<Stored> LoadUnchallengedAsync(CancellationToken cancellationToken)
    {
        Stored stored = await LoadAsync(cancellationToken);
        return stored.Contradiction is null ? stored : throw Held(stored.Contradiction);
    }

    private async Task RefuseContradictionsAsync(ShownDirectory[] shown, Stored stored, CancellationToken cancellationToken)
    {
        if (Judge(shown, stored.Directory).FirstOrDefault(judged => judged.Copy.IsContradiction) is { } odd)
        {
            string contradiction = $"{odd.Copy.Source} shows one that contradicts the others: {odd.Copy.Problem}";
            await HoldAsync(stored, contradiction, cancellationToken);
            throw Held(contradiction);
        }
    }

    /// <summary>Each held against those before it, and against what is stored: two gateways may contradict each other, and neither of them the issuer.</summary>
    private static ShownDirectory[] Judge(ShownDirectory[] shown, IssuerDirectory? stored) =>
    [
        .. shown.Select((one, place) => one.Directory is { } directory && !one.Copy.IsContradiction && FindContradiction(directory, shown.AsSpan(0, place), stored) is string problem
            ? one with { Copy = one.Copy with { Problem = problem, IsContradiction = true } }
            : one),
    ];

    private static string? FindContradiction(IssuerDirectory directory, ReadOnlySpan<ShownDirectory> before, IssuerDirectory? stored)
    {
        for (int i = 0; i < before.Length; i++)
        {
            if (before[i].Directory is { } other && directory.FindConflict(other) is string conflict)
            {
                return i == 0 ? conflict : $"against {before[i].Copy.Source}: {conflict}";
            }
        }

        return stored is not null && directory.FindConflict(stored) is string sinceStored ? "against what this wallet has stored: " + sinceStored : null;
    }

    /// <summary>
    /// The issuer's, unless it has a plan, gateway or pseudonym that none of the other copies shows: a plan or an address of one's own singles out as well as a key, and need
    /// contradict nothing. Then what they show; no gateway takes tokens by anything newer.
    /// </summary>
    /// <param name="own">The issuer's.</param>
    /// <param name="stored">What was believed last.</param>
    /// <param name="copies">Of sources that were known before this directory; at the very first those that it names itself.</param>
    private ShownDirectory Choose(ShownDirectory own, IssuerDirectory? stored, ShownDirectory[] copies)
    {
        ShownDirectory[] had = Array.FindAll(copies, copy => copy.Directory is not null);
        IssuerDirectory[] shown = [.. had.Select(copy => copy.Directory!)];
        if (had.Length == 0 || !HasUnshown(own.Directory!, stored is null ? shown : [stored, .. shown], stored is not null))
        {
            return own;
        }
        // One that sells nothing any more is of a gateway that has lost its issuer, and holds nobody up.
        DateTimeOffset now = _time.GetUtcNow();
        return had.Where(copy => copy.Directory!.Sequence >= (stored?.Sequence ?? 0) && SeriesCatalog.Sells(copy.Directory, null, now)).MaxBy(copy => copy.Directory!.Sequence)
            ?? (stored is not null && SeriesCatalog.Sells(stored, null, now) ? own with { Directory = stored, Document = null } : own);
    }

    private static bool HasUnshown(IssuerDirectory directory, IssuerDirectory[] shown, bool withGateways) =>
        directory.SoldPlans.Any(entry => !shown.Any(other => other.FindPlan(entry.Plan.Id) is { } same && IsSame(entry.Plan, same.Plan)))
        || directory.Pseudonyms.Any(entry => entry.Offer.Policy != PseudonymPolicy.None && !shown.Any(other => other.FindPseudonyms(entry.Offer.Gateway)?.Offer == entry.Offer))
        || (withGateways && !shown.Any(other => other.Gateways.Count == directory.Gateways.Count && other.Gateways.Zip(directory.Gateways).All(pair => IsSame(pair.First, pair.Second))));

    private static bool IsSame(Plan one, Plan other) => one with { Models = other.Models } == other && one.Models.SequenceEqual(other.Models);

    private static bool IsSame(DirectoryGateway one, DirectoryGateway other) => one.Name == other.Name && one.Urls.SequenceEqual(other.Urls);

    private async Task HoldAsync(Stored stored, string contradiction, CancellationToken cancellationToken)
    {
        _current = null;
        await _database.WriteAsync(
            session => session.Execute(
                """
                INSERT INTO directory (issuer, pinned_key, contradiction) VALUES ($1, $2, $3)
                ON CONFLICT (issuer) DO UPDATE SET contradiction = excluded.contradiction
                """,
                Name, stored.Key, contradiction),
            cancellationToken);
    }

    /// <summary>Mirrors, and the gateways of the directory that was believed last: whom a directory for one person does not choose.</summary>
    private Route[] KnownSources(IssuerDirectory? stored) =>
        [.. _options.Mirrors.Select(Route.Direct).Concat(stored is null ? [] : GatewayRoutes(stored)).DistinctBy(PlaceOf).Take(MaxSources)];

    /// <summary>The further ones that a directory names.</summary>
    private Route[] ListedSources(IssuerDirectory directory, Route[] known) =>
        [.. GatewayRoutes(directory).DistinctBy(PlaceOf).ExceptBy(known.Select(PlaceOf), PlaceOf).Take(MaxSources - known.Length)];

    /// <summary>All at once.</summary>
    private Task<ShownDirectory[]> FetchCopiesAsync(Route[] sources, byte[] pinnedKey, CancellationToken cancellationToken) =>
        Task.WhenAll(sources.Select(source => FetchCopyAsync(_copies, source, Routes.IssuerDirectory, pinnedKey, cancellationToken)));

    /// <summary>The gateways that have a copy: each one's first address before any one's second, or each one once if there is another way to it.</summary>
    private IEnumerable<Route> GatewayRoutes(IssuerDirectory reference)
    {
        if (_options.CopyRoute is null)
        {
            return reference.Gateways.SelectMany(gateway => Usable([.. gateway.Urls.Select(url => new Uri(url))]).Select((url, place) => (Place: place, Url: url)))
                .OrderBy(entry => entry.Place).Select(entry => Route.Direct(entry.Url));
        }

        // The key is that of the directory under comparison. If it is one made for this reader alone, whoever has its other half learns that somebody compares, and from no
        // address; nothing of the reader's is in the request.
        DateTimeOffset now = _time.GetUtcNow();
        return reference.Gateways
            .Select(gateway => SealingKeyList.FindCurrent(reference.FindSealingKeys(gateway.Name), now) is { } current
                && ObliviousKeyConfiguration.TryParse(current.Key.Config, out ObliviousKeyConfiguration? key) ? _options.CopyRoute(gateway) with { Key = key } : null)
            .OfType<Route>();
    }

    /// <summary>Those that may be connected to; all of them where none may, so that the comparison says so.</summary>
    private Uri[] Usable(Uri[] addresses) => Array.FindAll(addresses, _rules.MayUse) is { Length: > 0 } usable ? usable : addresses;

    private static string PlaceOf(Route source) => (source.Resource ?? source.Address).GetLeftPart(UriPartial.Path).TrimEnd('/');

    private static async Task<ShownDirectory> FetchCopyAsync(
        ServiceCaller caller, Route source, string path, byte[] pinnedKey, CancellationToken cancellationToken)
    {
        string name = PlaceOf(source);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, source.Resolve(path));
            request.Headers.TryAddWithoutValidation("Accept", MediaTypes.IssuerDirectory);
            ServiceReply reply = await caller.SendAsync(source, request, IssuerDirectory.MaxSizeInBytes, cancellationToken, CopyTimeout);
            if (!reply.IsSuccess)
            {
                return new ShownDirectory(new DirectoryCopy(name, null, null, $"it has none to show (status {reply.Status})", false), null, null);
            }
            // Whoever can make one up without the directory key proves nothing by it but that they are no mirror.
            return TryCheck(reply.Body, pinnedKey, out IssuerDirectory? directory, out string? problem)
                ? new ShownDirectory(new DirectoryCopy(name, directory.Sequence, Convert.ToHexStringLower(directory.Hash()), null, false), directory, reply.Body)
                : new ShownDirectory(new DirectoryCopy(name, null, null, problem, false), null, null);
        }
        catch (TransportException)
        {
            return new ShownDirectory(new DirectoryCopy(name, null, null, "it cannot be reached", false), null, null);
        }
        catch (ClientException e) when (e.Error == ClientError.SealingKeyUnavailable || e.IsOfCarrier)
        {
            return new ShownDirectory(new DirectoryCopy(name, null, null, e.Message, false), null, null);
        }
    }

    /// <summary>Every directory from the first, or the last <see cref="MaxChainLength"/>, to this one: each signed, each naming the hash of the one before.</summary>
    private async Task<(long From, string? Problem)> FollowChainAsync(IssuerDirectory last, byte[] pinnedKey, CancellationToken cancellationToken)
    {
        IssuerDirectory later = last;
        while (later.Sequence > 1 && last.Sequence - later.Sequence < MaxChainLength)
        {
            long number = later.Sequence - 1;
            (DirectoryCopy copy, IssuerDirectory? earlier, _) = await FetchCopyAsync(
                _caller, Route.Direct(IssuerAddress), string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Routes.IssuerDirectory}/{number}"), pinnedKey, cancellationToken);
            if (earlier is null)
            {
                return (later.Sequence, $"number {number} cannot be had: {copy.Problem}");
            }
            if (earlier.Sequence != number || !later.Follows(earlier))
            {
                return (later.Sequence, $"number {later.Sequence} does not follow number {number}");
            }
            later = earlier;
        }
        return (later.Sequence, null);
    }

    private static ClientException Held(string contradiction) => new(
        ClientError.DirectoryRefused,
        $"The issuer signed directories that contradict each other: {contradiction}. Somebody may be singled out by keys of their own, so nothing is bought or spent. " +
        "Compare by hand with `tacit keys audit`, ask the operator, and go on with `tacit keys audit --resume` once everything agrees.");

    /// <summary>A directory as one source shows it.</summary>
    /// <param name="Document">Its bytes; null where it is the stored one, or there is none.</param>
    private sealed record ShownDirectory(DirectoryCopy Copy, IssuerDirectory? Directory, byte[]? Document);
}
