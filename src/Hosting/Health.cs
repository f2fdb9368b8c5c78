using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Tacit.Hosting;

/// <summary>
/// <c>/health/live</c> says that the process answers; <c>/health/ready</c> that it can do its work: 200, or 503 with the names of the checks that fail.
/// </summary>
public sealed class Health(DrainSignal drain)
{
    private readonly Lock _gate = new();
    private (string Name, Func<bool> IsWell)[] _checks = [];

    /// <param name="name">Shown to whoever asks; must tell nothing about users.</param>
    /// <param name="isWell">Called on each request for readiness: cheap, and does not throw.</param>
    public void AddCheck(string name, Func<bool> isWell)
    {
        lock (_gate)
        {
            _checks = [.. _checks, (name, isWell)];
        }
    }

    /// <summary>The checks that fail now, <c>draining</c> among them; empty when ready.</summary>
    public IReadOnlyList<string> Failing()
    {
        List<string> failing = [];
        if (drain.IsDraining)
        {
            failing.Add("draining");
        }
        foreach ((string name, Func<bool> isWell) in _checks)
        {
            if (!isWell())
            {
                failing.Add(name);
            }
        }
        return failing;
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/health/live", (RequestDelegate)(context => WriteAsync(context, []))).ServeToTheEnd();
        routes.MapGet("/health/ready", (RequestDelegate)(context => WriteAsync(context, Failing()))).ServeToTheEnd();
    }

    private static async Task WriteAsync(HttpContext context, IReadOnlyList<string> failing)
    {
        ArrayBufferWriter<byte> body = new();
        using (Utf8JsonWriter json = new(body))
        {
            json.WriteStartObject();
            json.WriteString("status"u8, failing.Count == 0 ? "ok" : "unavailable");
            if (failing.Count > 0)
            {
                json.WriteStartArray("failing"u8);
                foreach (string name in failing)
                {
                    json.WriteStringValue(name);
                }
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        context.Response.StatusCode = failing.Count == 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.ContentLength = body.WrittenCount;
        await context.Response.Body.WriteAsync(body.WrittenMemory, context.RequestAborted);
    }
}
