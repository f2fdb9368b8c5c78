using Microsoft.AspNetCore.Builder;

namespace Tacit.Hosting;

/// <summary>Marks a route that is answered while a stopping server refuses all others.</summary>
internal sealed class ServedToTheEnd
{
    public static ServedToTheEnd Mark { get; } = new();
}

/// <summary>Says of routes how they behave at the end.</summary>
public static class ServedToTheEndExtensions
{
    /// <summary>
    /// Goes on being answered until the server is gone: health, and what helps requests under way to their end. A route that decides itself whether it takes a
    /// new request is marked so, too.
    /// </summary>
    public static TBuilder ServeToTheEnd<TBuilder>(this TBuilder route)
        where TBuilder : IEndpointConventionBuilder
    {
        route.WithMetadata(ServedToTheEnd.Mark);
        return route;
    }
}
