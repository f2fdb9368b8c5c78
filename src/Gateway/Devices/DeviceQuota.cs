using Tacit.Gateway.Admission;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Devices;

/// <summary>The limits of one device, on the way of one of its requests.</summary>
internal sealed class DeviceQuota(DeviceGate gate, string keyId, byte[] key, long outputTokens) : IRequestQuota
{
    private long? _taken;

    public bool CountsTokens => outputTokens > 0;

    public async ValueTask<ApiError?> CountAsync()
    {
        if (_taken is not null)
        {
            return null;
        }

        // How many at a time, by this instance's memory; then everything else, which all instances share.
        if (!gate.TryEnter(keyId))
        {
            return ApiError.Create(ErrorCodes.DeviceBusy, "As many requests of this device as it may have at a time are being answered.") with { RetryAfter = 1 };
        }

        UsageTaken taken = default;
        ApiError? failure = null;
        long now = gate.Now;
        try
        {
            taken = await gate.TakeAsync(key, now, outputTokens);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            gate.LogNotCounted(e);
            failure = ApiError.Create(ErrorCodes.Unavailable, "The gateway cannot count requests right now; nothing was asked. Try again later.");
        }

        if (failure is null && taken.Verdict == UsageVerdict.Taken)
        {
            _taken = now;
            return null;
        }

        gate.Leave(keyId);
        return failure ?? taken.Verdict switch
        {
            UsageVerdict.Revoked => DeviceGate.Revoked(),
            UsageVerdict.Tokens => Limited(
                ErrorCodes.DeviceTokensExhausted, "Less is left of the device's output tokens of the day than this request may take. Ask for fewer, or wait for the next day (UTC).", taken.Wait),
            _ => Limited(ErrorCodes.DeviceRateLimited, "The device has used up its requests for now.", taken.Wait),
        };
    }

    public void GiveBack()
    {
        if (_taken is long then)
        {
            _taken = null;
            gate.Leave(keyId);
            gate.GiveBack(key, then, outputTokens);
        }
    }

    public void End(long cost)
    {
        if (_taken is long then)
        {
            _taken = null;
            gate.Leave(keyId);
            gate.Settle(key, then, outputTokens, cost);
        }
    }

    private static ApiError Limited(string code, string message, long wait) => ApiError.Create(code, message) with { RetryAfter = (int)Math.Clamp(wait, 1, int.MaxValue) };
}
