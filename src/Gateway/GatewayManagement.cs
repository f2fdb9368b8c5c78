using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Gateway;

/// <summary>
/// The operator's routes, on <c>gateway.sock</c> in the data folder: <c>GET /totals</c> (<see cref="GatewayTotals"/>), <c>GET /providers</c>
/// (a list of <see cref="ProviderKeyUsage"/>), <c>GET /backends</c> (a list of <see cref="BackendStatus"/>), <c>GET /pseudonyms</c>
/// (<see cref="PseudonymReport"/>), <c>GET /keys</c> (<see cref="SealingKeyReport"/>), <c>GET /onion</c> (<see cref="OnionReport"/>), <c>POST /pseudonyms/ban</c> (<see cref="PseudonymBan"/>) and <c>/pseudonyms/unban</c> (<see cref="PseudonymName"/>);
/// where devices are admitted <c>GET /devices</c> (<see cref="DeviceReport"/>), <c>POST /devices/add</c> and <c>/devices/remove</c> (<see cref="DeviceName"/>).
/// </summary>
internal sealed class GatewayManagement(ChainTotals totals, InferenceRouter router, PseudonymGate pseudonyms, DeviceGate? devices, CatalogKeeper catalogs, SealingKeys? sealing, OnionDoor onion)
{
    private const int MaxBodyBytes = 4096;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/totals", (RequestDelegate)(async context =>
            await WriteAsync(context, await totals.ReadAsync(context.RequestAborted), GatewayManagementJson.Default.GatewayTotals)));
        routes.MapGet("/providers", (RequestDelegate)(context => WriteAsync(context, router.Usage, GatewayManagementJson.Default.IReadOnlyListProviderKeyUsage)));
        routes.MapGet("/backends", (RequestDelegate)(context => WriteAsync(context, router.Backends, GatewayManagementJson.Default.IReadOnlyListBackendStatus)));
        routes.MapGet("/pseudonyms", (RequestDelegate)(async context =>
            await WriteAsync(context, await pseudonyms.ListAsync(catalogs.Current.Pseudonyms.Policy, context.RequestAborted), GatewayManagementJson.Default.PseudonymReport)));
        routes.MapGet("/keys", (RequestDelegate)ShowKeysAsync);
        onion.Map(routes);
        routes.MapPost("/pseudonyms/ban", (RequestDelegate)BanAsync);
        routes.MapPost("/pseudonyms/unban", (RequestDelegate)UnbanAsync);
        if (devices is not null)
        {
            routes.MapGet("/devices", (RequestDelegate)(context => WriteAsync(context, devices.List(), GatewayManagementJson.Default.DeviceReport)));
            routes.MapPost("/devices/add", (RequestDelegate)(context => AddDeviceAsync(context, devices)));
            routes.MapPost("/devices/remove", (RequestDelegate)(context => RemoveDeviceAsync(context, devices)));
        }
    }

    private static async Task AddDeviceAsync(HttpContext context, DeviceGate devices)
    {
        if (await ReadAsync(context, GatewayManagementJson.Default.DeviceName) is not { } device || !DeviceKeyId.TryParse(device.Key, out byte[]? key) || !DeviceOptions.IsName(device.Name))
        {
            await ManagementSocket.RefuseAsync(
                context, StatusCodes.Status400BadRequest, "A device's key is the 43 characters that `tacit device show` gives, and a name has at most 64 printable characters.");
            return;
        }

        await devices.AddAsync(key, device.Name, context.RequestAborted);
        await WriteAsync(context, device, GatewayManagementJson.Default.DeviceName);
    }

    private static async Task RemoveDeviceAsync(HttpContext context, DeviceGate devices)
    {
        if (await ReadAsync(context, GatewayManagementJson.Default.DeviceName) is not { } device || !DeviceKeyId.TryParse(device.Key, out byte[]? key)
            || !await devices.RemoveAsync(key, context.RequestAborted))
        {
            await ManagementSocket.RefuseAsync(context, StatusCodes.Status404NotFound, "No device with this key is on the list.");
            return;
        }

        await WriteAsync(context, device, GatewayManagementJson.Default.DeviceName);
    }

    private Task ShowKeysAsync(HttpContext context) => sealing is null
        ? ManagementSocket.RefuseAsync(context, StatusCodes.Status404NotFound, "This gateway has no keys: set Sealing:KeyFile or Sealing:Passphrase.")
        : WriteAsync(context, sealing.Report(), GatewayManagementJson.Default.SealingKeyReport);

    private async Task BanAsync(HttpContext context)
    {
        if (await ReadAsync(context, GatewayManagementJson.Default.PseudonymBan) is not { } ban || PseudonymGate.FindFault(ban) is not null)
        {
            await ManagementSocket.RefuseAsync(
                context, StatusCodes.Status400BadRequest,
                "A pseudonym's id is the 32 hex digits that `tacit gateway list` shows, and a reason is 1 to 200 printable characters.");
            return;
        }

        await WriteAsync(context, await pseudonyms.BanAsync(ban, context.RequestAborted), GatewayManagementJson.Default.PseudonymBan);
    }

    private async Task UnbanAsync(HttpContext context)
    {
        if (await ReadAsync(context, GatewayManagementJson.Default.PseudonymName) is not { } name || !await pseudonyms.UnbanAsync(name.Id, context.RequestAborted))
        {
            await ManagementSocket.RefuseAsync(context, StatusCodes.Status404NotFound, "No pseudonym with this id is banned.");
            return;
        }

        await WriteAsync(context, name, GatewayManagementJson.Default.PseudonymName);
    }

    private static async Task<T?> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> form)
        where T : class
    {
        using var body = new SensitiveBuffer();
        if (await RequestBody.ReadAsync(context, body, MaxBodyBytes) != BodyReadResult.Complete)
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize(body.WrittenSpan, form);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> form)
    {
        context.Response.ContentType = MediaTypes.Json;
        return JsonSerializer.SerializeAsync(context.Response.Body, value, form, context.RequestAborted);
    }
}

/// <summary>The JSON of the operator's calls.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = false)]
[JsonSerializable(typeof(GatewayTotals))]
[JsonSerializable(typeof(IReadOnlyList<ProviderKeyUsage>))]
[JsonSerializable(typeof(IReadOnlyList<BackendStatus>))]
[JsonSerializable(typeof(PseudonymReport))]
[JsonSerializable(typeof(SealingKeyReport))]
[JsonSerializable(typeof(PseudonymBan))]
[JsonSerializable(typeof(PseudonymName))]
[JsonSerializable(typeof(DeviceReport))]
[JsonSerializable(typeof(DeviceName))]
public sealed partial class GatewayManagementJson : JsonSerializerContext;
