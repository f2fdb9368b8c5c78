using System.Security.Cryptography;
using Tacit.Client.Transports;

namespace Tacit.Client;

/// <summary>
/// One request, with its one token and its one body, sent as often as its answer does not come or breaks off. The gateway answers it once, and gives whoever
/// comes again the answer that there is; so a repetition costs nothing, and the one question is how long to go on. Not thread safe.
/// </summary>
/// <param name="send">Sends it on a new connection, and waits so long for the answer to begin.</param>
/// <param name="bodyBytes">Size of its body, which a slow connection takes its time to send.</param>
/// <param name="isDecided">Whether an answer that is no success is the gateway's last word on the request.</param>
internal sealed class RepeatedRequest(
    Func<TimeSpan, CancellationToken, Task<GatewayAnswer>> send, int bodyBytes, Func<GatewayAnswer, bool> isDecided, GatewayConnection gateway, RedemptionOptions options,
    TimeProvider time)
{
    /// <summary>Slower than any connection that is of use: by it a large body is given more time.</summary>
    private const int LeastBytesPerSecond = 8 * 1024;

    /// <summary>When the trouble began that is not over.</summary>
    private long? _troubledSince;
    private int _failures;
    private int _silences;
    private int _resumptions;

    /// <summary>Whether the gateway may have seen the request.</summary>
    public bool MayHaveLeft { get; set; }

    /// <summary>What went wrong last, for people.</summary>
    public string Failure { get; private set; } = "";

    public Exception? Cause { get; private set; }

    /// <summary>Sends the request until an answer begins that decides it, or so often and for so long that nothing more is to be hoped for.</summary>
    /// <returns>A success, or another answer with its <see cref="GatewayAnswer.Error"/>; null if there was none.</returns>
    public async Task<GatewayAnswer?> SendAsync(CancellationToken cancellationToken)
    {
        _troubledSince = time.GetTimestamp();
        GatewayAnswer? answer = await SendAsync(options.MaxReconnects, options.ResponseTimeout, cancellationToken);
        Progress();
        return answer;
    }

    /// <summary>The reply that had begun broke off: sends the request again, whose answer is the same reply from its beginning.</summary>
    /// <param name="cause">Why it broke off.</param>
    /// <param name="wasSilent">It did not break off, but nothing came for too long: the connection may be at fault, or a gateway that says nothing.</param>
    public async Task<GatewayAnswer?> TakeUpAsync(Exception cause, bool wasSilent, CancellationToken cancellationToken)
    {
        MayHaveLeft = true;
        (Failure, Cause) = (cause.Message, cause);
        return _resumptions++ < options.MaxResumptionsInAll && await MayGoOnAsync(wasSilent, options.MaxResumptions, options.ResumeWindow, cancellationToken)
            ? await SendAsync(options.MaxResumptions, options.ResumeWindow, cancellationToken)
            : null;
    }

    /// <summary>Something came that had not come before: whatever was wrong is over.</summary>
    public void Progress()
    {
        _troubledSince = null;
        _failures = 0;
        _silences = 0;
    }

    private async Task<GatewayAnswer?> SendAsync(int retries, TimeSpan within, CancellationToken cancellationToken)
    {
        while (true)
        {
            bool wasSilent = false;
            try
            {
                GatewayAnswer answer = await send(Patience(within), cancellationToken);
                if (answer.IsSuccess || await IsDecidedAsync(answer, cancellationToken))
                {
                    return answer;
                }
                MayHaveLeft = true;
                Cause = null;
                answer.Dispose();
            }
            catch (TransportException e)
            {
                MayHaveLeft |= !e.NothingSent;
                wasSilent = e.WasSilent;
                (Failure, Cause) = (e.Message, e);
            }
            catch (ClientException e) when (MayHaveLeft && e.IsOfCarrier)
            {
                // That was waited for already. Had the gateway seen nothing of the request, this would be its end, with nothing spent.
                (Failure, Cause) = (e.Message, e);
                return null;
            }
            if (!await MayGoOnAsync(wasSilent, retries, within, cancellationToken))
            {
                return null;
            }
        }
    }

    /// <summary>Whether an answer that is no success is the last word, and came whole. If not, it is to be asked for again.</summary>
    private async Task<bool> IsDecidedAsync(GatewayAnswer answer, CancellationToken cancellationToken)
    {
        if (!isDecided(answer))
        {
            // Undecided; or not the gateway's own answer but that of something before it, which says nothing of the token.
            Failure = answer.Verdict == TokenVerdict.InFlight
                ? $"It answered {answer.Status} and has not decided the request yet."
                : $"{answer.Status} came back, not from the gateway itself.";
            return false;
        }
        if (MayHaveLeft && answer is { Verdict: TokenVerdict.Unspent, Status: 408 or 429 or 503 })
        {
            // Refused before anything was looked up: that says nothing of what became of the same request when it was sent before.
            Failure = $"It answered {answer.Status}.";
            return false;
        }
        try
        {
            answer.Error = await gateway.ReadErrorAsync(answer, cancellationToken);
            return true;
        }
        catch (TransportException e)
        {
            answer.Discard();
            Failure = e.Message;
            return false;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>How long an answer may take to begin: longer each time, since a model may think for long, and never beyond the end.</summary>
    private TimeSpan Patience(TimeSpan within)
    {
        TimeSpan patience = (options.FirstPatience + TimeSpan.FromSeconds(bodyBytes / LeastBytesPerSecond)) * Math.Pow(2, Math.Min(_silences, 10));
        TimeSpan left = within - (_troubledSince is long since ? time.GetElapsedTime(since) : TimeSpan.Zero);
        return patience < left ? patience : left > options.ReconnectDelay ? left : options.ReconnectDelay;
    }

    /// <summary>Waits before the next attempt; false if there is to be none.</summary>
    private async Task<bool> MayGoOnAsync(bool wasSilent, int retries, TimeSpan within, CancellationToken cancellationToken)
    {
        _troubledSince ??= time.GetTimestamp();
        if (wasSilent)
        {
            // It took its time already, and only that bounds it.
            _silences++;
        }
        else if (_failures++ >= retries)
        {
            return false;
        }
        if (time.GetElapsedTime(_troubledSince.Value) >= within)
        {
            return false;
        }
        await Task.Delay(Delay(_failures), time, cancellationToken);
        return true;
    }

    /// <summary>Doubles up to a bound; left to chance by half, so that those whom one failure hit do not come back at one moment.</summary>
    private TimeSpan Delay(int failures)
    {
        TimeSpan delay = options.ReconnectDelay * Math.Pow(2, Math.Clamp(failures - 1, 0, 10));
        delay = delay < options.MaxReconnectDelay ? delay : options.MaxReconnectDelay;
        return delay * (0.5 + (RandomNumberGenerator.GetInt32(1024) / 2048.0));
    }
}
