using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>Whether requests of all wallets look alike but for what they must carry, and none is tied to another by its connection.</summary>
internal static class WireChecks
{
    public static IReadOnlyList<string> Run(IReadOnlyList<Passing> issuer, IReadOnlyList<Passing> gateway, bool showsPseudonyms) =>
        [.. Alike("issuer", issuer, []), .. Alike("gateway", gateway, showsPseudonyms ? [Routes.PseudonymHeader] : []), .. Alone("issuer", issuer), .. Alone("gateway", gateway)];

    private static IEnumerable<string> Alike(string side, IReadOnlyList<Passing> wire, string[] shown)
    {
        foreach (IGrouping<string, Passing> path in wire.GroupBy(passing => $"{passing.Method} {passing.Path}"))
        {
            // The credential and the body's length are the request's own. Everything else is the same for everybody, or tells somebody from the others.
            foreach (string name in path.SelectMany(passing => passing.Headers.Keys).Distinct().Where(name => name is not ("Authorization" or "Content-Length") && !shown.Contains(name, StringComparer.OrdinalIgnoreCase)))
            {
                int values = path.Select(passing => passing.Headers.GetValueOrDefault(name)).Distinct().Count();
                if (values > 1)
                {
                    yield return $"{side}: {path.Key} comes with {values} different values of {name}";
                }
            }
        }
    }

    /// <summary>No request here belongs to a conversation, so each is a unit of its own (law 9).</summary>
    private static IEnumerable<string> Alone(string side, IReadOnlyList<Passing> wire)
    {
        int shared = wire.Where(passing => passing.Path != Routes.IssuerDirectory).GroupBy(passing => passing.Connection).Count(connection => connection.Skip(1).Any());
        if (shared > 0)
        {
            yield return $"{side}: {shared} connections carried more than one request";
        }
    }
}
