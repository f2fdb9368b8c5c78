using Microsoft.AspNetCore.Http;

namespace Tacit.Hosting.Onion;

/// <summary>Tells requests that came over the onion service from all others.</summary>
public static class OnionTraffic
{
    /// <summary>
    /// Whether a request came over the role's onion service. It then has no address, and nothing that it says of one is to be believed: whoever is there talks to tor, and
    /// tor to us.
    /// </summary>
    public static bool IsOnion(this HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Features.Get<Mark>() is not null;
    }

    /// <summary>Stands in the features of each connection of the onion socket.</summary>
    internal sealed class Mark
    {
        public static Mark Instance { get; } = new();
    }
}
