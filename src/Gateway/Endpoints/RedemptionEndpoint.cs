using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Replies;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>A prompt, admitted by a token or a device's signature, as numbered steps: the cheapest check first, nothing spent before all have passed.</summary>
internal sealed class RedemptionEndpoint
{
    /// <summary>Most bytes that are rented for a body of which nothing has arrived.</summary>
    private const int MaxUncounted = 8 * 1024;

    private readonly GatewayParts _parts;
    private readonly Operation _operation;
    private readonly RequestAdmission _admission;
    private readonly string _route;
    private readonly byte[] _path;

    public RedemptionEndpoint(GatewayParts services, Operation operation, string path)
    {
        _parts = services;
        _operation = operation;
        _admission = new RequestAdmission(services);
        _route = path;
        _path = System.Text.Encoding.ASCII.GetBytes(path);
    }

    public async Task HandleAsync(HttpContext context)
    {
        // 0-1. What the headers may carry, and the credential by lookup. Before the body: a stranger makes us hold nothing.
        PlanCatalog catalog = _parts.Catalog;
        using PresentedCredential? credential = await _admission.ReadAsync(context, catalog);
        if (credential is null)
        {
            return;
        }

        if (_operation == Operation.Messages && HeaderRules.FindBeta(context.Request.Headers) is { } beta)
        {
            await RefuseAsync(context, catalog, beta);
            return;
        }

        // A chain token comes with its successor, which the spend will bind. So does a pseudonym where the policy asks for one: by lookup here, its signature behind
        // the token's.
        ChainLink? link = null;
        ShownPseudonyms? pseudonyms = null;
        ApiError? error;
        if (credential is PresentedToken token
            && (!ChainLink.TryRead(context.Request.Headers, token.Key, out link, out error)
                || !_parts.Pseudonyms.TryRead(context.Request.Headers, catalog, out pseudonyms, out error)))
        {
            await RefuseAsync(context, catalog, error);
            return;
        }

        // 2. The body, bounded by the plan.
        Plan plan = credential.Plan;
        using var hold = new BodyHold(new SensitiveBuffer(InitialBufferSize(context.Request, plan)), _parts.RequestRoom);
        SensitiveBuffer body = hold.Body;
        switch (await RequestBody.ReadAsync(context, body, plan.MaxInputBytes, hold.TryTake))
        {
            case BodyReadResult.NoRoom:
                await RefuseAsync(context, catalog, GatewayParts.Busy());
                return;
            case BodyReadResult.TooLarge:
                await RefuseAsync(context, catalog, ApiError.Create(ErrorCodes.RequestTooLarge, $"The plan pays for requests of at most {plan.MaxInputBytes} bytes."));
                return;
            case BodyReadResult.Aborted:
                await ErrorReply.WriteIncompleteAsync(context);
                return;
            default:
                break;
        }

        // 3. Work, where it is asked for; then the allow-list, the plan's cap, the model.
        if (_admission.CheckWork(context, credential, _path, body.WrittenSpan) is ApiError work)
        {
            await RefuseAsync(context, catalog, work);
            return;
        }

        SensitiveBuffer? filtered = new(body.WrittenCount + 128);
        try
        {
            error = Filter(body.WrittenSpan, plan, filtered, out FilteredRequest request)
                ?? _parts.CheckModel(plan, request.Model) ?? _parts.Router.Check(_operation, request.Model, filtered.WrittenSpan);
            if (error is not null)
            {
                await RefuseAsync(context, catalog, error);
                return;
            }

            // 4. The signature. Who is held back for a false one is so without what it sent: a flood would otherwise be kept in memory for as long as it is slowed down.
            if (await _admission.VerifyAsync(context, credential, _route, body.WrittenMemory) is ApiError invalid)
            {
                if (RequestAdmission.IsFalse(invalid))
                {
                    filtered.Dispose();
                    hold.Dispose();
                    await _parts.Brake.HoldAsync(context.RequestAborted);
                }

                await RefuseAsync(context, catalog, invalid);
                return;
            }

            if (pseudonyms is not null && await pseudonyms.AdmitAsync(ProvenConnection.Presenter(context)) is ApiError refused)
            {
                if (refused.Code == ErrorCodes.PseudonymInvalid)
                {
                    filtered.Dispose();
                    hold.Dispose();
                    await _parts.Brake.HoldAsync(context.RequestAborted);
                }

                await RefuseAsync(context, catalog, refused);
                return;
            }

            byte[] tag = new byte[TokenKeys.RequestTagSizeInBytes];
            TokenKeys.RequestTag(credential.PseudorandomKey, "POST"u8, _path, body.WrittenSpan, tag);
            // 5-7. Attach to the reply that is there, or get one.
            var prompt = new Prompt
            {
                Operation = _operation,
                PlanId = plan.Id,
                Request = request,
                Body = filtered,
                Facts = request.Model == InferenceRouter.DemoModelName ? RequestFactsOf.Request(context.Request, credential, body.WrittenCount) : RequestFacts.None,
                MaxReplyBytes = _parts.Options.MaxReplyBytesFor(plan, _operation, request.Stream),
                Link = link,
                Pseudonyms = pseudonyms,
                Quota = credential is PresentedDevice device ? _parts.Devices!.QuotaOf(device, request.AllOutputTokens) : pseudonyms,
            };
            if (await RedeemAsync(context, catalog, credential, tag, prompt, hold))
            {
                filtered = null;
            }
        }
        finally
        {
            filtered?.Dispose();
        }
    }

    /// <summary>The operator's rules for sampling first, so that what they make of the body is what the allow-list and the cap see.</summary>
    private ApiError? Filter(ReadOnlySpan<byte> body, Plan plan, SensitiveBuffer filtered, out FilteredRequest request)
    {
        var limits = new RequestLimits(plan.MaxOutputTokens);
        SamplingRules rules = _parts.Options.Sampling;
        if (!rules.IsOn)
        {
            return RequestFilter.Filter(_operation, body, limits, filtered, out request);
        }

        request = default;
        using var guarded = new SensitiveBuffer(body.Length + 128);
        return SamplingGuard.Apply(_operation, body, rules, guarded, out bool isChanged)
            ?? RequestFilter.Filter(_operation, isChanged ? guarded.WrittenSpan : body, limits, filtered, out request);
    }

    /// <summary>
    /// True if the prompt has a producer, which owns it from then on. The request's own bytes are let go of with the decision: only until then can it turn out that
    /// another instance is to have them.
    /// </summary>
    private async Task<bool> RedeemAsync(HttpContext context, PlanCatalog catalog, PresentedCredential credential, byte[] tag, Prompt prompt, BodyHold hold)
    {
        ReplyStore store = _parts.Replies;
        while (true)
        {
            if (store.TryGet(credential.Id, out Reply? existing))
            {
                if (existing.IsFor(tag, prompt.Link))
                {
                    if (existing.Attach() is not { } attached)
                    {
                        continue;
                    }

                    // Its producer has the prompt already, or had it; this copy need not wait for the reply's end.
                    prompt.Dispose();
                    prompt.Quota?.GiveBack();
                    if (!await existing.Claimed && existing.Owner is not null)
                    {
                        await PassOnAsync(context, existing, attached, credential, hold);
                        return false;
                    }

                    hold.Dispose();
                    await SendAsync(context, existing, attached, credential);
                    return false;
                }

                // A crowd with one token that another instance has would otherwise ask one after the other, each waiting for all before it.
                if (await existing.Claimed || await IsOtherRequestAsync(credential, tag, prompt.Link))
                {
                    prompt.Quota?.GiveBack();
                    await RefuseAsync(context, catalog, credential.Explain(SpendVerdict.OtherRequest), Routes.TokenSpent);
                    return false;
                }

                continue;
            }

            // 5. What its pseudonym or device may still ask; then room for the reply, so that no spent token finds none.
            if (prompt.Quota is { } quota && await quota.CountAsync() is ApiError limited)
            {
                await RefuseAsync(context, catalog, limited);
                return false;
            }

            if (!store.TryReserve(prompt.MaxReplyBytes + (prompt.Link is null ? 0 : ReplyStore.RenewalOverhead), out long reserved))
            {
                prompt.Quota?.GiveBack();
                await RefuseAsync(context, catalog, GatewayParts.Busy());
                return false;
            }

            var reply = new Reply(credential.Id, tag, credential.PseudorandomKey, reserved, store.Blocks, prompt.Link) { Dialect = _operation == Operation.Messages ? ApiDialect.Anthropic : ApiDialect.OpenAI };
            if (!store.TryAdd(reply))
            {
                store.ReleaseUnused(reserved);
                reply.Wipe();
                continue;
            }

            return await ClaimAsync(context, credential, tag, prompt, reply, hold);
        }
    }

    private async ValueTask<bool> IsOtherRequestAsync(PresentedCredential credential, byte[] tag, ChainLink? link)
    {
        try
        {
            return await _parts.Ledger.IsOtherRequestAsync(credential.Deadline, credential.Id, tag, link);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            // The spend will say so.
            return false;
        }
    }

    private async Task<bool> ClaimAsync(HttpContext context, PresentedCredential credential, byte[] tag, Prompt prompt, Reply reply, BodyHold hold)
    {
        ReplyReader reader = reply.Attach()!;

        // 6. The spend: one durable insert. The client may vanish meanwhile; the token is then spent all the same, and the reply is kept for it.
        ApiError? refusal = null;
        string? state = null;
        SpendDecision decision = default;
        try
        {
            decision = await _parts.Ledger.SpendAsync(credential.Deadline, credential.Id, tag, prompt.Link);
            if (decision.Verdict != SpendVerdict.Granted)
            {
                refusal = credential.Explain(decision.Verdict);
                state = decision.Verdict == SpendVerdict.OwnedElsewhere ? Routes.TokenInFlight : null;
            }
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            (refusal, state) = _parts.StorageFailed(e);
        }

        if (refusal is not null)
        {
            prompt.Quota?.GiveBack();
            _parts.Replies.Forget(reply);
            reply.SetClaimed(false, decision.OwnerAddress);
            reply.EndWith(refusal, state ?? (refusal.Status == StatusCodes.Status409Conflict ? Routes.TokenSpent : Routes.TokenUnspent));
            reply.Release();
            if (reply.Owner is not null)
            {
                prompt.Dispose();
                await PassOnAsync(context, reply, reader, credential, hold);
                return false;
            }

            hold.Dispose();
            await SendAsync(context, reply, reader, credential);
            return false;
        }

        hold.Dispose();
        reply.SetClaimed(true);
        if (credential is PresentedToken && prompt.Link is null && decision.Claim is { Returns: 0, Takeovers: 0 })
        {
            _parts.Totals.CountSpent(credential.Plan.Id, credential.Deadline);
        }

        // 7. The provider, apart from this request, and its reply into the store; this request is merely the first to read it.
        _parts.Produce(reply, decision.Claim, prompt);

        // 8. The reply to the reader.
        await SendAsync(context, reply, reader, credential);
        return true;
    }

    /// <summary>The answer of the instance that has the reply; what the claim came to, where that one cannot give it.</summary>
    private async Task PassOnAsync(HttpContext context, Reply reply, ReplyReader reader, PresentedCredential credential, BodyHold hold)
    {
        bool isAnswered;
        try
        {
            isAnswered = !InstanceProxy.IsPassedOn(context.Request) && await _parts.Instances.TryPassOnAsync(context, reply.Owner, hold);
        }
        catch
        {
            reader.Dispose();
            throw;
        }

        hold.Dispose();
        if (isAnswered)
        {
            reader.Dispose();
            return;
        }

        await SendAsync(context, reply, reader, credential);
    }

    private async Task SendAsync(HttpContext context, Reply reply, ReplyReader reader, PresentedCredential credential)
    {
        using ReplyReader owned = reader;
        await using CancellationTokenRegistration gone = context.RequestAborted.UnsafeRegister(static state => ((ReplyReader)state!).Abort(), reader);
        if (!await reader.WaitForStartAsync())
        {
            return;
        }

        if (reader.IsRefused)
        {
            await ErrorReply.WriteAsync(context, credential.Explain(SpendVerdict.ReplyGone), reply.TokenState);
            return;
        }

        HttpResponse response = context.Response;
        response.StatusCode = reply.Status;
        response.ContentType = reply.ContentType;
        TokenStateHeader.Write(context, reply.TokenState);
        if (reply.HasRenewal && !TrailedReply.TryWriteHead(response, reply))
        {
            await TrailedReply.WriteAsync(
                context,
                output => reader.CopyAsync(output, credential.PseudorandomKey, _parts.SignsOfLife, context.RequestAborted),
                async () => await reply.Renewal!.Outcome.WaitAsync(context.RequestAborted) is { } signature ? ChainHeaders.FormatRenewal(signature) : null);
            return;
        }

        if (!reply.IsEventStream)
        {
            response.ContentLength = reply.Length;
        }

        if (!await reader.CopyAsync(response.BodyWriter, credential.PseudorandomKey, _parts.SignsOfLife, context.RequestAborted))
        {
            // Half a reply must not look like a whole one.
            context.Abort();
        }
    }

    private Task RefuseAsync(HttpContext context, PlanCatalog catalog, ApiError error, string tokenState = Routes.TokenUnspent) =>
        ErrorReply.WriteAsync(
            context, error, tokenState, error.Status == StatusCodes.Status401Unauthorized ? catalog.Challenges(_parts.Time.GetUtcNow()) : default);

    private static int InitialBufferSize(HttpRequest request, Plan plan) =>
        (int)Math.Min(Math.Max(request.ContentLength ?? 4096, 1024), Math.Min(plan.MaxInputBytes, MaxUncounted));
}
