using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary><c>POST /api/devices</c>: a device puts its key on the list, where the operator lets it. Signed by that key, which proves that it is there.</summary>
internal sealed class DevicesEndpoint(GatewayParts parts)
{
    private const int MaxBodyBytes = 1024;

    private static readonly byte[] s_path = System.Text.Encoding.ASCII.GetBytes(Routes.Devices);

    public async Task HandleAsync(HttpContext context)
    {
        // 0. Whether anybody may, and how often from here.
        DeviceGate? devices = parts.Devices;
        ApiError? error =
            devices is null || parts.Options.Devices.Registration == DeviceRegistration.Closed
                ? ApiError.Create(ErrorCodes.RegistrationClosed, "This gateway registers no devices; its operator lists them.")
            : parts.Drain.IsClosing ? ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down; try again.")
            : parts.Addresses.CheckRegistration(context);
        if (error is not null)
        {
            await ErrorReply.WriteAsync(context, error);
            return;
        }

        // 1. The signature's shape and time; the body.
        (PresentedDevice? device, error) = await devices!.ReadAsync(context.Request.Headers, mustBeListed: false);
        if (device is null)
        {
            await ErrorReply.WriteAsync(context, error!);
            return;
        }

        using PresentedDevice owned = device;
        using var body = new SensitiveBuffer(MaxBodyBytes);
        switch (await RequestBody.ReadAsync(context, body, MaxBodyBytes))
        {
            case BodyReadResult.TooLarge:
                await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.RequestTooLarge, $"A registration has at most {MaxBodyBytes} bytes."));
                return;
            case BodyReadResult.Aborted:
                await ErrorReply.WriteIncompleteAsync(context);
                return;
            default:
                break;
        }

        // 2. The code, the work, the signature: each dearer than the one before.
        string? code = null;
        error = !TryRead(body.WrittenSpan, out code) ? ApiError.Create(ErrorCodes.InvalidJson, "The body is not {} or {\"code\"}.")
            : !devices.IsInvited(code) ? ApiError.Create(ErrorCodes.InvitationRequired, "Registering a device here needs the operator's invitation code.", "code")
            : parts.Work.Check(WorkKinds.Registration, s_path, body.WrittenSpan, context.Request.Headers[Routes.WorkHeader]);
        error ??= await devices.VerifyAsync(device, Routes.Devices, body.WrittenMemory);
        if (error is not null)
        {
            if (error.Code is ErrorCodes.InvitationRequired or ErrorCodes.SignatureInvalid)
            {
                await parts.Brake.HoldAsync(context.RequestAborted);
            }

            await ErrorReply.WriteAsync(context, error);
            return;
        }

        // 3. One durable row.
        RegistrationResult result;
        try
        {
            result = await devices.RegisterAsync(device, CancellationToken.None);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            await ErrorReply.WriteAsync(context, parts.StorageFailed(e).Error);
            return;
        }

        if (result is RegistrationResult.Full or RegistrationResult.Revoked)
        {
            await ErrorReply.WriteAsync(
                context, result == RegistrationResult.Revoked ? DeviceGate.Revoked() : ApiError.Create(ErrorCodes.RegistrationFull, "As many devices as the operator allows are registered."));
            return;
        }

        byte[] answer = JsonSerializer.SerializeToUtf8Bytes(new RegisteredDevice(device.Signature.KeyId), GatewayJson.Default.RegisteredDevice);
        context.Response.StatusCode = result == RegistrationResult.Registered ? StatusCodes.Status201Created : StatusCodes.Status200OK;
        context.Response.ContentType = MediaTypes.Json;
        context.Response.ContentLength = answer.Length;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.BodyWriter.WriteAsync(answer, context.RequestAborted);
    }

    private static bool TryRead(ReadOnlySpan<byte> body, out string? code)
    {
        code = null;
        try
        {
            if (JsonSerializer.Deserialize(body, GatewayJson.Default.DeviceRegistrationRequest) is { } request)
            {
                code = request.Code;
                return true;
            }
        }
        catch (JsonException)
        {
            // As below.
        }

        return false;
    }
}
