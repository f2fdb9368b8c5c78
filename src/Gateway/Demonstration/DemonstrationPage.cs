using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Gateway.Endpoints;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Demonstration;

/// <summary>
/// <c>/demo</c>: a page whose visitors run the protocol in their browsers, with tokens of an open plan. The gateway gives files and three public facts; what the page then does, it does
/// with issuer and gateway as any client would, so there is nothing here that knows a visitor.
/// </summary>
internal sealed class DemonstrationPage
{
    private const string Root = "/demo";

    private readonly GatewayParts _parts;
    private readonly string _plan;
    private readonly Uri _issuer;
    private readonly string _directoryKey;
    private readonly PageFiles _files;

    public DemonstrationPage(GatewayParts parts)
    {
        GatewayOptions options = parts.Options;
        _parts = parts;
        _plan = options.Demo.Plan!;
        _issuer = options.Demo.Issuer is { } url ? new Uri(url) : options.IssuerUrl!;
        GatewayOptions.TryDecodeKey(options.DirectoryKey, out byte[] key);
        _directoryKey = PublicKeyText.Format(key);

        // The page asks its gateway and its issuer, and nobody else; nothing in it makes script of text.
        _files = new PageFiles(
            typeof(DemonstrationPage).Assembly,
            $"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {_issuer.GetLeftPart(UriPartial.Authority)}; "
            + "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'");
    }

    public void Map(IEndpointRouteBuilder routes)
    {
        _files.Map(routes, Root, handler => handler, SayWhatIsMissingAsync);
        routes.MapGet(Root + "/settings.json", (RequestDelegate)TellSettingsAsync);
    }

    private static Task SayWhatIsMissingAsync(HttpContext context)
    {
        context.Response.Headers.CacheControl = "no-store";
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync("This gateway was built without the page of its demonstration: its build had no Node 20 or later with npm.\n", context.RequestAborted);
    }

    /// <summary><c>GET /demo/settings.json</c>: the issuer, the plan, and the key that the issuer's directory is signed with.</summary>
    private async Task TellSettingsAsync(HttpContext context)
    {
        _files.WriteSecurityHeaders(context.Response.Headers);
        context.Response.Headers.CacheControl = "no-store";
        if (_parts.Catalog.Directory?.FindPlan(_plan) is not { Plan.Open: true })
        {
            await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.Unavailable, "The issuer's directory has no open plan of the name that this gateway's settings give."));
            return;
        }

        context.Response.ContentType = MediaTypes.Json;
        await using var json = new Utf8JsonWriter(context.Response.BodyWriter);
        json.WriteStartObject();
        json.WriteString("gateway"u8, _parts.Options.Name);
        json.WriteString("issuer"u8, _issuer.AbsoluteUri);
        json.WriteString("plan"u8, _plan);
        json.WriteString("directoryKey"u8, _directoryKey);
        json.WriteEndObject();
        await json.FlushAsync(context.RequestAborted);
    }
}
