using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Work;
using Tacit.Protocol;

namespace Tacit.Gateway.Endpoints;

/// <summary>What admits a request, token or device, in the steps that every endpoint takes: by lookup, then the signature.</summary>
internal sealed class RequestAdmission(GatewayParts parts)
{
    private const string AcceptSignature = "Accept-Signature";

    // RFC 9421, section 5.1: what a signature has to cover.
    private const string WantedSignature = "tacit=(\"@method\" \"@path\" \"content-digest\");created;keyid;nonce;alg=\"ed25519\"";

    /// <summary>The credential by lookup, and whether it is good now. Null if the request was answered.</summary>
    public async ValueTask<PresentedCredential?> ReadAsync(HttpContext context, PlanCatalog catalog)
    {
        IHeaderDictionary headers = context.Request.Headers;
        if (parts.Devices is { } devices && DeviceGate.IsSigned(headers))
        {
            return await ReadDeviceAsync(context, devices);
        }

        ApiError? error = null;
        PrivateTokenCredentials? credentials = null;
        if (parts.Options.Admission == AdmissionMode.Device || !HeaderRules.TryRead(headers, out credentials, out error) || credentials is null)
        {
            await RefuseAsync(context, catalog, error ?? Missing(context), error is null ? null : Routes.TokenUnspent);
            return null;
        }

        if (parts.Drain.IsClosing)
        {
            await RefuseAsync(context, catalog, Closing());
            return null;
        }

        if (parts.Addresses.Check(context, isToken: true) is ApiError limited)
        {
            await RefuseAsync(context, catalog, limited);
            return null;
        }

        PresentedToken? token = PresentedToken.Check(credentials.Token, credentials.Extensions, credentials.Salt, catalog, out error);
        error ??= parts.CheckLive(token!.Key);
        if (error is not null)
        {
            token?.Dispose();
            await RefuseAsync(context, catalog, error);
            return null;
        }

        return token;
    }

    /// <summary>A device by lookup. Null if the request was answered.</summary>
    public async ValueTask<PresentedDevice?> ReadDeviceAsync(HttpContext context, DeviceGate devices)
    {
        ApiError? error = parts.Drain.IsClosing ? Closing() : parts.Addresses.Check(context, isToken: false);
        PresentedDevice? device = null;
        if (error is null)
        {
            (device, error) = await devices.ReadAsync(context.Request.Headers);
        }

        if (error is not null)
        {
            await ErrorReply.WriteAsync(context, error, Routes.TokenUnspent);
        }

        return device;
    }

    /// <summary>Proof of work, where the settings ask this kind of request for it; null if the request may go on.</summary>
    public ApiError? CheckWork(HttpContext context, PresentedCredential credential, ReadOnlySpan<byte> path, ReadOnlySpan<byte> body) =>
        parts.Work.IsOn ? parts.Work.Check(credential is PresentedToken ? WorkKinds.Token : WorkKinds.Device, path, body, context.Request.Headers[Routes.WorkHeader]) : null;

    /// <summary>The signature; null if it is right, and then the credential's keys are derived.</summary>
    public async ValueTask<ApiError?> VerifyAsync(HttpContext context, PresentedCredential credential, string path, ReadOnlyMemory<byte> body)
    {
        if (credential is PresentedDevice device)
        {
            return await parts.Devices!.VerifyAsync(device, path, body);
        }

        // Behind a bounded queue, since it costs more than all the rest.
        var token = (PresentedToken)credential;
        switch (await parts.Signatures.VerifyAsync(token.Key, token.Token, token.Salt, ProvenConnection.Presenter(context)))
        {
            case SignatureVerdict.Invalid:
                ProvenConnection.Forget(context);
                return ApiError.Create(ErrorCodes.TokenInvalid, "The token's signature is not the issuer's.", "Authorization");
            case SignatureVerdict.Busy:
                return GatewayParts.Busy();
            case SignatureVerdict.Valid:
                ProvenConnection.Remember(context);
                break;
            default:
                ProvenConnection.Forget(context);
                break;
        }

        token.Accept();
        return null;
    }

    /// <summary>Whether an error of <see cref="VerifyAsync"/> says that the signature is false: who brings those is held back.</summary>
    public static bool IsFalse(ApiError error) => error.Code is ErrorCodes.TokenInvalid or ErrorCodes.SignatureInvalid;

    private ApiError Missing(HttpContext context)
    {
        if (parts.Devices is not null)
        {
            context.Response.Headers[AcceptSignature] = WantedSignature;
        }

        return parts.Options.Admission == AdmissionMode.Device
            ? ApiError.Create(ErrorCodes.DeviceRequired, "This gateway takes requests that a device of its list signed (RFC 9421; docs/protocol.md, Devices).", DeviceSignature.InputHeader)
            : ApiError.Create(ErrorCodes.TokenRequired, "This gateway is paid with Privacy Pass tokens: send Authorization: PrivateToken (RFC 9577).", "Authorization");
    }

    private static ApiError Closing() => ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down; try again.");

    private Task RefuseAsync(HttpContext context, PlanCatalog catalog, ApiError error, string? tokenState = Routes.TokenUnspent) =>
        ErrorReply.WriteAsync(
            context, error, tokenState, error.Status == StatusCodes.Status401Unauthorized ? catalog.Challenges(parts.Time.GetUtcNow()) : default);
}
