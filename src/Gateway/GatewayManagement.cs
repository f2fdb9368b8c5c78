using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Gateway.Chains;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Gateway;

/// <summary>The operator's routes, on <c>gateway.sock</c> in the data folder: <c>GET /totals</c> (<see cref="GatewayTotals"/>),
/// <c>GET /providers</c> (a list of <see cref="ProviderKeyUsage"/>).</summary>
internal sealed class GatewayManagement(ChainTotals totals, InferenceRouter router)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/totals", (RequestDelegate)(async context =>
            await WriteAsync(context, await totals.ReadAsync(context.RequestAborted), GatewayManagementJson.Default.GatewayTotals)));
        routes.MapGet("/providers", (RequestDelegate)(context => WriteAsync(context, router.Usage, GatewayManagementJson.Default.IReadOnlyListProviderKeyUsage)));
    }

    private static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        context.Response.ContentType = MediaTypes.Json;
        return JsonSerializer.SerializeAsync(context.Response.Body, value, type, context.RequestAborted);
    }
}

/// <summary>The JSON of the operator's calls.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GatewayTotals))]
[JsonSerializable(typeof(IReadOnlyList<ProviderKeyUsage>))]
public sealed partial class GatewayManagementJson : JsonSerializerContext;
