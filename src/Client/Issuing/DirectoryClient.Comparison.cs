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
            (DirectoryCopy own, IssuerDirectory? directory) = await FetchCopyAsync(_caller, Route.Direct(IssuerAddress), Routes.IssuerDirectory, stored.Key, cancellationToken);
            if (directory is not null && stored.Directory is not null && directory.FindConflict(stored.Directory) is string sinceStored)
            {
                own = own with { Problem = "against what this wallet has stored: " + sinceStored, IsContradiction = true };
            }
            var copies = new List<DirectoryCopy> { own };
            IssuerDirectory? reference = directory ?? stored.Directory;
            string? chainProblem = null;
            long chainFrom = directory?.Sequence ?? 0;
            if (reference is not null)
            {
                copies.AddRange((await CompareCopiesAsync(reference, stored.Key, cancellationToken)).Select(found => found.Copy));
            }
            if (directory is not null)
            {
                (chainFrom, chainProblem) = await FollowChainAsync(directory, stored.Key, cancellationToken);
            }
            var audit = new DirectoryAudit(reference?.IssuerName ?? Name, copies, chainFrom, chainProblem, stored.Contradiction, Resumed: false);
            if (audit.Copies.FirstOrDefault(copy => copy.IsContradiction) is DirectoryCopy odd && stored.Contradiction is null)
            {
                await HoldAsync(stored, $"{odd.Source} shows one that contradicts the others: {odd.Problem}", cancellationToken);
            }
            else if (resume && audit.Agrees && stored.Contradiction is not null)
            {
                await _database.WriteAsync(
                    session => session.Execute("UPDATE directory SET contradiction = NULL WHERE issuer = $1", Name), cancellationToken);
                audit = audit with { Resumed = true };
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

    private async Task RefuseContradictionsAsync(IssuerDirectory fetched, Stored stored, CancellationToken cancellationToken)
    {
        foreach ((DirectoryCopy copy, IssuerDirectory? _) in await CompareCopiesAsync(fetched, stored.Key, cancellationToken))
        {
            if (copy.IsContradiction)
            {
                string contradiction = $"{copy.Source} shows one that contradicts the issuer's: {copy.Problem}";
                await HoldAsync(stored, contradiction, cancellationToken);
                throw Held(contradiction);
            }
        }
    }

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

    /// <summary>All copies but the issuer's own, at once.</summary>
    private async Task<(DirectoryCopy Copy, IssuerDirectory? Directory)[]> CompareCopiesAsync(
        IssuerDirectory reference, byte[] pinnedKey, CancellationToken cancellationToken)
    {
        IEnumerable<Route> sources = _options.Mirrors.Select(Route.Direct).Concat(GatewayRoutes(reference)).DistinctBy(PlaceOf).Take(MaxSources);
        return await Task.WhenAll(sources.Select(async source =>
        {
            (DirectoryCopy copy, IssuerDirectory? directory) = await FetchCopyAsync(_copies, source, Routes.IssuerDirectory, pinnedKey, cancellationToken);
            return directory is not null && directory.FindConflict(reference) is string contradiction
                ? (copy with { Problem = contradiction, IsContradiction = true }, directory)
                : (copy, directory);
        }));
    }

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

    private static async Task<(DirectoryCopy Copy, IssuerDirectory? Directory)> FetchCopyAsync(
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
                return (new DirectoryCopy(name, null, null, $"it has none to show (status {reply.Status})", false), null);
            }
            // Whoever can make one up without the directory key proves nothing by it but that they are no mirror.
            return TryCheck(reply.Body, pinnedKey, out IssuerDirectory? directory, out string? problem)
                ? (new DirectoryCopy(name, directory.Sequence, Convert.ToHexStringLower(directory.Hash()), null, false), directory)
                : (new DirectoryCopy(name, null, null, problem, false), null);
        }
        catch (TransportException)
        {
            return (new DirectoryCopy(name, null, null, "it cannot be reached", false), null);
        }
        catch (ClientException e) when (e.Error == ClientError.SealingKeyUnavailable || e.IsOfCarrier)
        {
            return (new DirectoryCopy(name, null, null, e.Message, false), null);
        }
    }

    /// <summary>Every directory from the first, or the last <see cref="MaxChainLength"/>, to this one: each signed, each naming the hash of the one before.</summary>
    private async Task<(long From, string? Problem)> FollowChainAsync(IssuerDirectory last, byte[] pinnedKey, CancellationToken cancellationToken)
    {
        IssuerDirectory later = last;
        while (later.Sequence > 1 && last.Sequence - later.Sequence < MaxChainLength)
        {
            long number = later.Sequence - 1;
            (DirectoryCopy copy, IssuerDirectory? earlier) = await FetchCopyAsync(
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
}
