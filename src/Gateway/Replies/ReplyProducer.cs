using System.Buffers;
using Microsoft.Extensions.Logging;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Pseudonyms;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Replies;

/// <summary>
/// Asks the provider for a claimed reply and writes what comes into it. Runs apart from the request that caused it: a client that vanishes does not stop it,
/// a slow one does not slow it down.
/// </summary>
internal sealed partial class ReplyProducer
{
    private readonly InferenceRouter _router;
    private readonly SpendLedger _ledger;
    private readonly SpentWriter _spent;
    private readonly ReplyStore _store;
    private readonly ChainRenewer _renewer;
    private readonly PromptCheck? _check;
    private readonly GatewayMeter _meter;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    /// <param name="router">The providers.</param>
    /// <param name="ledger">Takes returns and refused renewals.</param>
    /// <param name="spent">Takes ends.</param>
    /// <param name="store">Keeps the replies.</param>
    /// <param name="renewer">Signs the next tokens of chains.</param>
    /// <param name="check">Judges each prompt before a provider sees it; null for none.</param>
    /// <param name="meter">Takes how long providers take.</param>
    /// <param name="time">For that.</param>
    /// <param name="log">The log.</param>
    public ReplyProducer(
        InferenceRouter router, SpendLedger ledger, SpentWriter spent, ReplyStore store, ChainRenewer renewer, PromptCheck? check, GatewayMeter meter, TimeProvider time,
        ILogger log)
    {
        _meter = meter;
        _time = time;
        _renewer = renewer;
        _check = check;
        _router = router;
        _ledger = ledger;
        _spent = spent;
        _store = store;
        _log = log;
    }

    /// <summary>Runs to the end of the reply, whatever that is. Throws nothing; owns <paramref name="prompt"/>.</summary>
    public async Task RunAsync(Reply reply, SpendClaim claim, Prompt prompt)
    {
        ApiError? error;
        bool clientProvoked;
        bool endsChain = false;
        long began = _time.GetTimestamp();
        Task<Renewal>? renewal = null;
        try
        {
            PromptRefusal? refusal = _check is null ? null : await _check(prompt, reply.Stopped);
            if (refusal?.Error.Code == ErrorCodes.ContentRefused && prompt.Pseudonyms is { } pseudonyms)
            {
                await pseudonyms.CountRefusalAsync();
            }

            if (refusal is null && prompt.Link is not null)
            {
                // Signed while the provider works, handed out when the reply has ended: so nobody waits for it.
                renewal = _renewer.RenewAsync(prompt.Link);
            }

            error = refusal is null ? await CopyAsync(reply, prompt, began) : refusal.Error;
            endsChain = refusal is { EndsChain: true };
            clientProvoked = refusal is null || refusal.KeepsSpent(claim);
        }
        catch (ProviderException e)
        {
            error = e.Error;
            clientProvoked = e.ClientProvoked;
        }
        catch (OperationCanceledException) when (reply.StopReason != StopReason.None)
        {
            clientProvoked = reply.StopReason == StopReason.Cancelled;
            error = clientProvoked
                ? ApiError.Create(ErrorCodes.RequestCancelled, "The request was cancelled by the holder of its token.")
                : ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down.");
        }
#pragma warning disable CA1031 // Readers wait for an end, and the message of an unforeseen exception may hold anything.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogUnforeseen(_log, e.GetType().Name);
            error = ApiError.Create(ErrorCodes.InternalError, "The gateway failed.");
            clientProvoked = false;
        }
        finally
        {
            prompt.Dispose();
        }

        if (_log.IsEnabled(LogLevel.Debug))
        {
            string correlation = CorrelationId.Of(reply.Id);
            LogEnded(_log, correlation, error?.Code ?? "whole");
        }

        // Before anybody hears that the reply has ended, and asks for the next.
        prompt.Quota?.End(prompt.Usage is not { } usage ? 0 : error is null ? usage.OutputTokens : Math.Max(usage.OutputTokens, usage.Estimate));
        if (prompt.Link is not null)
        {
            await EndChainAsync(reply, claim, error, prompt.Link, renewal, endsChain);
        }
        else if (error is null || clientProvoked || reply.HasPassedOn)
        {
            EndSpent(reply, claim, error);
            _store.Keep(reply);
        }
        else
        {
            await ReturnAsync(reply, claim, error);
        }
    }

    /// <summary>Null if the reply is whole, or the error of one that outgrew its room.</summary>
    private async Task<ApiError?> CopyAsync(Reply reply, Prompt prompt, long spent)
    {
        await using ProviderReply answer = await _router.SendAsync(
            prompt.Operation, prompt.Request.Model, prompt.Request.Stream, prompt.Body.WrittenMemory, prompt.Facts, reply.Stopped, MaxReceived(prompt));
        if (_meter.Backend.Enabled)
        {
            _meter.Backend.Record(_time.GetElapsedTime(spent).TotalSeconds);
        }

        // One for the quota serves both.
        UsageReader? usage = prompt.Usage ?? (_meter.OutputTokens.Enabled ? new UsageReader() : null);
        using var piece = new SensitiveBuffer(4096);
        bool begun = false;
        while (await answer.ReadAsync(piece, reply.Stopped))
        {
            if (!begun)
            {
                // From here on no other backend will be asked, so nobody needs the prompt any more.
                begun = true;
                prompt.Dispose();
                if (_meter.FirstToken.Enabled)
                {
                    _meter.FirstToken.Record(_time.GetElapsedTime(spent).TotalSeconds);
                }

                reply.Begin(answer.Status, answer.ContentType, answer.IsEventStream);
            }

            if (reply.Length + piece.WrittenCount > prompt.MaxReplyBytes)
            {
                return ApiError.Create(ErrorCodes.ReplyTooLarge, "The reply grew beyond what the gateway keeps for one request of this plan.");
            }

            usage?.See(piece.WrittenSpan, answer.IsEventStream);
            reply.Append(piece.WrittenSpan);
            piece.Clear();
        }

        if (usage is not null && _meter.OutputTokens.Enabled)
        {
            _meter.OutputTokens.Add(usage.OutputTokens);
        }

        return null;
    }

    /// <summary>
    /// What may be received for a reply of this room. A JSON reply is held whole while it is received; of a stream only an event, and the filter may cut out
    /// as much again as it leaves.
    /// </summary>
    private static int MaxReceived(Prompt prompt) => (int)Math.Min(prompt.MaxReplyBytes * (prompt.Request.Stream ? 2 : 1), int.MaxValue);

    private void EndSpent(Reply reply, SpendClaim claim, ApiError? error)
    {
        _spent.Add(claim);
        if (error is null)
        {
            reply.End();
        }
        else if (reply.HasPassedOn)
        {
            // The status is long sent. The event says that the stream is not whole, and why.
            using var last = new SensitiveBuffer(512);
            (error.Code is ErrorCodes.ReplyTooLarge or ErrorCodes.RequestCancelled
                ? error
                : ApiError.Create(ErrorCodes.ReplyInterrupted, $"The reply ends here and is not whole ({error.Code}).")).WriteEventTo(last, reply.Dialect);
            reply.Append(last.WrittenSpan);
            reply.End();
        }
        else
        {
            reply.EndWith(error, Routes.TokenSpent);
        }
    }

    /// <summary>
    /// A chain token is never given back: whatever became of the reply, the chain moves on by its renewal. That comes with the reply's end, which it never holds
    /// up, and is kept with the reply; whoever does not get it there asks for it at the exchange.
    /// </summary>
    private async Task EndChainAsync(Reply reply, SpendClaim claim, ApiError? error, ChainLink link, Task<Renewal>? signing, bool endsChain)
    {
        ReplyRenewal renewal = reply.Renewal!;
        if (endsChain)
        {
            await RefuseRenewalAsync(claim);
            renewal.Refuse();
        }
        else if (_renewer.IsOver(link))
        {
            renewal.Complete(null);
        }
        else if (signing is { IsCompletedSuccessfully: true, Result.BlindSignature: byte[] signature })
        {
            renewal.Complete(signature);
        }

        EndSpent(reply, claim, error);
        if (!renewal.Outcome.IsCompleted)
        {
            // The signer was slow, or away a minute ago.
            Renewal late = signing is null ? await _renewer.RenewAsync(link) : await signing;
            renewal.Complete(late.BlindSignature ?? (signing is null ? null : (await _renewer.RenewAgainAsync(link)).BlindSignature));
        }

        // Only now: a drain waits for replies that are not kept yet.
        _store.Keep(reply);
    }

    private async Task RefuseRenewalAsync(SpendClaim claim)
    {
        try
        {
            await _ledger.RefuseRenewalAsync(claim);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogNotRefused(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
        }
    }

    /// <summary>Nothing was passed on and the client did not provoke it. The row says so before the client hears it (law 2).</summary>
    private async Task ReturnAsync(Reply reply, SpendClaim claim, ApiError error)
    {
        ReturnOutcome outcome;
        try
        {
            outcome = await _ledger.ReturnAsync(claim, CancellationToken.None);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogNotReturned(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
            outcome = ReturnOutcome.LeftInFlight;
        }

        if (outcome == ReturnOutcome.Spent)
        {
            reply.EndWith(error, Routes.TokenSpent);
            _store.Keep(reply);
            return;
        }

        // Out of the table first: who hears the answer may come back at once.
        _store.Forget(reply);
        reply.EndWith(error, outcome == ReturnOutcome.Returned ? Routes.TokenReturned : Routes.TokenInFlight);
        reply.Release();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Request {Correlation} ended: {Outcome}.")]
    private static partial void LogEnded(ILogger log, string correlation, string outcome);

    [LoggerMessage(Level = LogLevel.Error, Message = "A reply failed in an unforeseen way: {ExceptionType}.")]
    private static partial void LogUnforeseen(ILogger log, string exceptionType);

    [LoggerMessage(Level = LogLevel.Error, Message = "A refused renewal could not be recorded ({Kind}); it holds only while the reply is kept.")]
    private static partial void LogNotRefused(ILogger log, StorageErrorKind kind);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A token could not be recorded as returned ({Kind}); its request can be repeated.")]
    private static partial void LogNotReturned(ILogger log, StorageErrorKind kind);
}

/// <summary>Judges a prompt that is paid for, before a provider sees it; null lets it through.</summary>
internal delegate ValueTask<PromptRefusal?> PromptCheck(Prompt prompt, CancellationToken cancellationToken);

/// <summary>A prompt that no provider will see.</summary>
/// <param name="Error">What its sender is told.</param>
/// <param name="Token">What becomes of a token of a request plan; a chain's stays spent.</param>
/// <param name="EndsChain">Whether a chain that paid for it is not renewed, for ever.</param>
internal sealed record PromptRefusal(ApiError Error, RefusedToken Token, bool EndsChain)
{
    /// <summary>A refusal can be provoked, so it gives no token back twice.</summary>
    public bool KeepsSpent(SpendClaim claim) => Token == RefusedToken.Spent || (Token == RefusedToken.ReturnedOnce && claim.Returns > 0);
}

/// <summary>An admitted request on its way to the provider. Wiped once no backend can need it any more.</summary>
internal sealed class Prompt : IDisposable
{
    public required Operation Operation { get; init; }

    /// <summary>The plan that pays.</summary>
    public required string PlanId { get; init; }

    public required FilteredRequest Request { get; init; }

    /// <summary>The filtered body.</summary>
    public required SensitiveBuffer Body { get; init; }

    public required RequestFacts Facts { get; init; }

    /// <summary>The room that was reserved for the reply.</summary>
    public required long MaxReplyBytes { get; init; }

    /// <summary>The next token of the chain that pays; null for a token of a request plan.</summary>
    public ChainLink? Link { get; init; }

    /// <summary>The pseudonyms shown with it; null where none are asked for.</summary>
    public ShownPseudonyms? Pseudonyms { get; init; }

    /// <summary>What bounds whoever asks; null where nothing does.</summary>
    public IRequestQuota? Quota
    {
        get;
        init
        {
            field = value;
            Usage = value is { CountsTokens: true } ? new UsageReader() : null;
        }
    }

    /// <summary>Looks what the reply costs; null where nobody counts that.</summary>
    public UsageReader? Usage { get; private init; }

    public void Dispose() => Body.Dispose();
}
