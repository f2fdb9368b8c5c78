using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Replies;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Endpoints;

/// <summary>A prompt, paid with a token, as numbered steps: the cheapest check first, nothing spent before all have passed.</summary>
internal sealed class RedemptionEndpoint
{
    /// <summary>Most bytes that are rented for a body of which nothing has arrived.</summary>
    private const int MaxUncounted = 8 * 1024;

    private readonly GatewayParts _parts;
    private readonly Operation _operation;
    private readonly byte[] _path;

    public RedemptionEndpoint(GatewayParts services, Operation operation, string path)
    {
        _parts = services;
        _operation = operation;
        _path = System.Text.Encoding.ASCII.GetBytes(path);
    }

    public async Task HandleAsync(HttpContext context)
    {
        // 0. What the headers may carry.
        PlanCatalog catalog = _parts.Catalog;
        if (!HeaderRules.TryRead(context.Request.Headers, out PrivateTokenCredentials? credentials, out ApiError? error))
        {
            await ErrorReply.WriteAsync(context, error, Routes.TokenUnspent, error.Status == 401 ? catalog.Challenges(_parts.Time.GetUtcNow()) : default);
            return;
        }

        if (credentials is null)
        {
            await ErrorReply.WriteAsync(
                context,
                ApiError.Create(ErrorCodes.TokenRequired, "This gateway is paid with Privacy Pass tokens: send Authorization: PrivateToken (RFC 9577).", "Authorization"),
                challenges: catalog.Challenges(_parts.Time.GetUtcNow()));
            return;
        }

        if (_operation == Operation.Messages && HeaderRules.FindBeta(context.Request.Headers) is { } beta)
        {
            await RefuseAsync(context, catalog, beta);
            return;
        }

        if (_parts.Drain.IsClosing)
        {
            await ErrorReply.WriteAsync(context, ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down; try again."), Routes.TokenUnspent);
            return;
        }

        // 1. The token, by lookup. Before the body: a stranger makes us hold nothing.
        using PresentedToken? token = PresentedToken.Check(credentials.Token, credentials.Extensions, credentials.Salt, catalog, out error);
        error ??= _parts.CheckLive(token!.Key);
        if (error is not null)
        {
            await RefuseAsync(context, catalog, error);
            return;
        }

        // A chain token comes with its successor, which the spend will bind.
        if (!ChainLink.TryRead(context.Request.Headers, token!.Key, out ChainLink? link, out error))
        {
            await RefuseAsync(context, catalog, error);
            return;
        }

        // So does a pseudonym where the policy asks for one: by lookup here, its signature behind the token's.
        if (!_parts.Pseudonyms.TryRead(context.Request.Headers, catalog, out ShownPseudonyms? pseudonyms, out error))
        {
            await RefuseAsync(context, catalog, error);
            return;
        }

        // 2. The body, bounded by the plan.
        Plan plan = token.Key.Plan;
        using var hold = new BodyHold(new SensitiveBuffer(InitialBufferSize(context.Request, plan)), _parts.RequestRoom);
        SensitiveBuffer body = hold.Body;
        switch (await RequestBody.ReadAsync(context, body, plan.MaxInputBytes, hold.TryTake))
        {
            case BodyReadResult.NoRoom:
                await RefuseAsync(context, catalog, GatewayParts.Busy());
                return;
            case BodyReadResult.TooLarge:
                await RefuseAsync(context, catalog, ApiError.Create(ErrorCodes.RequestTooLarge, $"The token's plan pays for requests of at most {plan.MaxInputBytes} bytes."));
                return;
            case BodyReadResult.Aborted:
                await ErrorReply.WriteIncompleteAsync(context);
                return;
            default:
                break;
        }

        // 3. The allow-list, the plan's cap, the model.
        SensitiveBuffer? filtered = new(body.WrittenCount + 128);
        try
        {
            error = RequestFilter.Filter(_operation, body.WrittenSpan, new RequestLimits(plan.MaxOutputTokens), filtered, out FilteredRequest request)
                ?? _parts.CheckModel(plan, request.Model);
            if (error is not null)
            {
                await RefuseAsync(context, catalog, error);
                return;
            }

            // 4. The signature, behind a bounded queue.
            SignatureVerdict verdict = await _parts.Signatures.VerifyAsync(token.Key, token.Token, token.Salt, ProvenConnection.Presenter(context));
            switch (verdict)
            {
                case SignatureVerdict.Invalid:
                    ProvenConnection.Forget(context);
                    // Held back without what it sent: a flood would otherwise be kept in memory for as long as it is slowed down.
                    filtered.Dispose();
                    hold.Dispose();
                    await _parts.Brake.HoldAsync(context.RequestAborted);
                    await RefuseAsync(context, catalog, ApiError.Create(ErrorCodes.TokenInvalid, "The token's signature is not the issuer's.", "Authorization"));
                    return;
                case SignatureVerdict.Busy:
                    await RefuseAsync(context, catalog, GatewayParts.Busy());
                    return;
                default:
                    break;
            }

            token.Accept();
            if (verdict == SignatureVerdict.Valid)
            {
                ProvenConnection.Remember(context);
            }
            else
            {
                ProvenConnection.Forget(context);
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
            TokenKeys.RequestTag(token.PseudorandomKey, "POST"u8, _path, body.WrittenSpan, tag);
            // 5-7. Attach to the reply that is there, or get one.
            var prompt = new Prompt
            {
                Operation = _operation,
                PlanId = plan.Id,
                Request = request,
                Body = filtered,
                Facts = request.Model == InferenceRouter.DemoModelName ? RequestFactsOf.Request(context.Request, token.Key, body.WrittenCount) : RequestFacts.None,
                MaxReplyBytes = _parts.Options.MaxReplyBytesFor(plan, _operation, request.Stream),
                Link = link,
                Pseudonyms = pseudonyms,
            };
            if (await RedeemAsync(context, catalog, token, tag, prompt, hold))
            {
                filtered = null;
            }
        }
        finally
        {
            filtered?.Dispose();
        }
    }

    /// <summary>
    /// True if the prompt has a producer, which owns it from then on. The request's own bytes are let go of with the decision: only until then can it turn out that
    /// another instance is to have them.
    /// </summary>
    private async Task<bool> RedeemAsync(HttpContext context, PlanCatalog catalog, PresentedToken token, byte[] tag, Prompt prompt, BodyHold hold)
    {
        ReplyStore store = _parts.Replies;
        while (true)
        {
            if (store.TryGet(token.Id, out Reply? existing))
            {
                if (existing.IsFor(tag, prompt.Link))
                {
                    if (existing.Attach() is not { } attached)
                    {
                        continue;
                    }

                    // Its producer has the prompt already, or had it; this copy need not wait for the reply's end.
                    prompt.Dispose();
                    prompt.Pseudonyms?.GiveBack();
                    if (!await existing.Claimed && existing.Owner is not null)
                    {
                        await PassOnAsync(context, existing, attached, token, hold);
                        return false;
                    }

                    hold.Dispose();
                    await SendAsync(context, existing, attached, token);
                    return false;
                }

                // A crowd with one token that another instance has would otherwise ask one after the other, each waiting for all before it.
                if (await existing.Claimed || await IsOtherRequestAsync(token, tag, prompt.Link))
                {
                    prompt.Pseudonyms?.GiveBack();
                    await RefuseAsync(context, catalog, GatewayParts.SpentElsewhere(), Routes.TokenSpent);
                    return false;
                }

                continue;
            }

            // 5. What its pseudonym may still ask; then room for the reply, so that no spent token finds none.
            if (prompt.Pseudonyms is { } pseudonyms && await pseudonyms.CountAsync() is ApiError limited)
            {
                await RefuseAsync(context, catalog, limited);
                return false;
            }

            if (!store.TryReserve(prompt.MaxReplyBytes + (prompt.Link is null ? 0 : ReplyStore.RenewalOverhead), out long reserved))
            {
                prompt.Pseudonyms?.GiveBack();
                await RefuseAsync(context, catalog, GatewayParts.Busy());
                return false;
            }

            var reply = new Reply(token.Id, tag, token.PseudorandomKey, reserved, store.Blocks, prompt.Link) { Dialect = _operation == Operation.Messages ? ApiDialect.Anthropic : ApiDialect.OpenAI };
            if (!store.TryAdd(reply))
            {
                store.ReleaseUnused(reserved);
                reply.Wipe();
                continue;
            }

            return await ClaimAsync(context, token, tag, prompt, reply, hold);
        }
    }

    private async ValueTask<bool> IsOtherRequestAsync(PresentedToken token, byte[] tag, ChainLink? link)
    {
        try
        {
            return await _parts.Ledger.IsOtherRequestAsync(token.Key.Deadline, token.Id, tag, link);
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            // The spend will say so.
            return false;
        }
    }

    private async Task<bool> ClaimAsync(HttpContext context, PresentedToken token, byte[] tag, Prompt prompt, Reply reply, BodyHold hold)
    {
        ReplyReader reader = reply.Attach()!;

        // 6. The spend: one durable insert. The client may vanish meanwhile; the token is then spent all the same, and the reply is kept for it.
        ApiError? refusal = null;
        string? state = null;
        SpendDecision decision = default;
        try
        {
            decision = await _parts.Ledger.SpendAsync(token.Key.Deadline, token.Id, tag, prompt.Link);
            if (decision.Verdict != SpendVerdict.Granted)
            {
                refusal = GatewayParts.ExplainRefusal(decision.Verdict);
                state = decision.Verdict == SpendVerdict.OwnedElsewhere ? Routes.TokenInFlight : null;
            }
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            (refusal, state) = _parts.StorageFailed(e);
        }

        if (refusal is not null)
        {
            prompt.Pseudonyms?.GiveBack();
            _parts.Replies.Forget(reply);
            reply.SetClaimed(false, decision.OwnerAddress);
            reply.EndWith(refusal, state ?? (refusal.Status == StatusCodes.Status409Conflict ? Routes.TokenSpent : Routes.TokenUnspent));
            reply.Release();
            if (reply.Owner is not null)
            {
                prompt.Dispose();
                await PassOnAsync(context, reply, reader, token, hold);
                return false;
            }

            hold.Dispose();
            await SendAsync(context, reply, reader, token);
            return false;
        }

        hold.Dispose();
        reply.SetClaimed(true);
        if (prompt.Link is null && decision.Claim is { Returns: 0, Takeovers: 0 })
        {
            _parts.Totals.CountSpent(token.Key.Plan.Id, token.Key.Deadline);
        }

        // 7. The provider, apart from this request, and its reply into the store; this request is merely the first to read it.
        _parts.Produce(reply, decision.Claim, prompt);

        // 8. The reply to the reader.
        await SendAsync(context, reply, reader, token);
        return true;
    }

    /// <summary>The answer of the instance that has the reply; what the claim came to, where that one cannot give it.</summary>
    private async Task PassOnAsync(HttpContext context, Reply reply, ReplyReader reader, PresentedToken token, BodyHold hold)
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

        await SendAsync(context, reply, reader, token);
    }

    private static async Task SendAsync(HttpContext context, Reply reply, ReplyReader reader, PresentedToken token)
    {
        using ReplyReader owned = reader;
        await using CancellationTokenRegistration gone = context.RequestAborted.UnsafeRegister(static state => ((ReplyReader)state!).Abort(), reader);
        if (!await reader.WaitForStartAsync())
        {
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
                output => reader.CopyAsync(output, token.PseudorandomKey, context.RequestAborted),
                async () => await reply.Renewal!.Outcome.WaitAsync(context.RequestAborted) is { } signature ? ChainHeaders.FormatRenewal(signature) : null);
            return;
        }

        if (!reply.IsEventStream)
        {
            response.ContentLength = reply.Length;
        }

        if (!await reader.CopyAsync(response.BodyWriter, token.PseudorandomKey, context.RequestAborted))
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
