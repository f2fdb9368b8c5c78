using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Demonstration;

/// <summary>Whether and with what the gateway shows visitors the protocol, at <c>/demo</c>.</summary>
public sealed record DemonstrationOptions
{
    /// <summary>The open plan whose tokens visitors use (<see cref="Protocol.Plan.Open"/>). Default: no demonstration.</summary>
    public string? Plan { get; init; }

    /// <summary>Where visitors' browsers reach the issuer: its base URL. Null: the gateway's own <see cref="GatewayOptions.IssuerUrl"/>.</summary>
    public string? Issuer { get; init; }

    internal bool IsOn => Plan is not null;

    internal void Validate(SettingsValidation validation, string section, GatewayOptions gateway)
    {
        if (!IsOn)
        {
            return;
        }

        validation
            .Require(Protocol.Plan.IsValidId(Plan), $"{section}:{nameof(Plan)}", "this is no id of a plan", "Name the open plan of the issuer's directory.")
            .Require(
                Issuer is null || (Uri.TryCreate(Issuer, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"),
                $"{section}:{nameof(Issuer)}", "this is no http or https URL", "Use the issuer's base URL as browsers reach it, such as https://issuer.example.")
            .Require(
                gateway.DirectoryKey is not null && (Issuer is not null || gateway.IssuerUrl is not null), $"{section}:{nameof(Issuer)}",
                "a demonstration needs an issuer", "Set DirectoryKey and the issuer's base URL.");
    }
}
