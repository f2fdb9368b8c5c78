namespace Tacit.Client.Transports;

/// <summary>A server that the client uses, as it is known without asking.</summary>
/// <param name="Role"><c>issuer</c>, <c>gateway</c> or <c>relay</c>.</param>
/// <param name="Name">Its name in the directory; null if that is not known.</param>
/// <param name="Address">Where connections to it are made.</param>
/// <param name="Carried">How, in the words of the setting: <c>tor</c>, <c>direct</c>, <c>sealed</c>, <c>ohttp</c>, <c>tor+sealed</c>, <c>tor+ohttp</c>; null if they may not be.</param>
/// <param name="LastAnswered">When it last answered, to the minute; null if that is not known.</param>
/// <param name="Problem">Why the last call failed, or why none is made; null if neither.</param>
public sealed record ServerStatus(string Role, string? Name, string Address, string? Carried, DateTimeOffset? LastAnswered, string? Problem)
{
    internal static ServerStatus Of(TransportPool transports, Route route, string role, string? name, DateTimeOffset? lastAnswered = null)
    {
        Sighting? sighting = transports.Sightings.Of(route);
        string? carried = null;
        string? problem = sighting?.Problem;
        try
        {
            string? sealing = route.Kind != RouteKind.Oblivious ? null : route.ServerAddress.AbsolutePath == Protocol.Routes.Oblivious ? "sealed" : "ohttp";
            carried = transports.Rules.For(route.ServerAddress) == Carrier.Tor ? sealing is null ? "tor" : "tor+" + sealing : sealing ?? "direct";
        }
        catch (ClientException e)
        {
            problem = e.Message;
        }
        return new ServerStatus(role, name, route.Server, carried, sighting?.LastAnswered ?? lastAnswered, problem);
    }
}
