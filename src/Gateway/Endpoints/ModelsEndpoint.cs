using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>, in OpenAI's shape; each model lists the plans that buy it.</summary>
internal sealed class ModelsEndpoint(GatewayParts parts)
{
    public Task ListAsync(HttpContext context)
    {
        PlanCatalog catalog = parts.Catalog;
        return WriteAsync(context, OfDevices(catalog) is { Length: > 0 } more ? PlanCatalog.WriteModels([.. catalog.Models, .. more]) : catalog.ModelsJson);
    }

    public Task GetAsync(HttpContext context)
    {
        string? id = context.Request.RouteValues["id"] as string;
        PlanCatalog catalog = parts.Catalog;
        if (catalog.Models.Concat(OfDevices(catalog)).FirstOrDefault(model => model.Id == id) is not CatalogModel found)
        {
            return ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.ModelNotFound, "This gateway does not serve the model; GET /v1/models lists those it does.", "model"));
        }

        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            found.WriteTo(json);
        }

        return WriteAsync(context, buffer.WrittenMemory);
    }

    /// <summary>Models that no plan buys and that devices may ask all the same.</summary>
    private CatalogModel[] OfDevices(PlanCatalog catalog) => parts.Devices is { } devices
        ? [.. devices.Plan.Models.Where(id => catalog.Models.All(model => model.Id != id)).Select(id => new CatalogModel(id, []))]
        : [];

    private static async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> body)
    {
        context.Response.ContentType = MediaTypes.Json;
        context.Response.ContentLength = body.Length;
        await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
    }
}
