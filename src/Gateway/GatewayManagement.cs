using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Gateway.Chains;
using Tacit.Protocol;

namespace Tacit.Gateway;

/// <summary>The operator's routes, on <c>gateway.sock</c> in the data folder: <c>GET /totals</c> (<see cref="GatewayTotals"/>).</summary>
internal sealed class GatewayManagement(ChainTotals totals)
{
    public void Map(IEndpointRouteBuilder routes) => routes.MapGet("/totals", (RequestDelegate)(async context =>
    {
        GatewayTotals read = await totals.ReadAsync(context.RequestAborted);
        context.Response.ContentType = MediaTypes.Json;
        await JsonSerializer.SerializeAsync(context.Response.Body, read, GatewayManagementJson.Default.GatewayTotals, context.RequestAborted);
    }));
}

/// <summary>The JSON of the operator's calls.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GatewayTotals))]
public sealed partial class GatewayManagementJson : JsonSerializerContext;
