using System.Buffers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Tacit.Hosting;
using Tacit.Issuer.Accounts;
using Tacit.Issuer.Issuance;
using Tacit.Protocol;

namespace Tacit.Issuer.Pseudonyms;

/// <summary>
/// <c>POST /pseudonym-request</c>: one TokenRequest under a key of pseudonyms, for an account that paid. The same element is signed again for as long as its key
/// issues; a second one under the same key never.
/// </summary>
internal sealed class PseudonymEndpoint
{
    private readonly DirectoryPublisher _directory;
    private readonly PseudonymBook _book;
    private readonly ISigner _signer;
    private readonly RateLimiter _calls;
    private readonly TimeProvider _time;

    /// <param name="directory">Says which keys there are.</param>
    /// <param name="book">Knows who has which element.</param>
    /// <param name="signer">Signs.</param>
    /// <param name="calls">Bounds by account how often it is asked for what costs nothing.</param>
    /// <param name="time">Tells which keys issue.</param>
    public PseudonymEndpoint(DirectoryPublisher directory, PseudonymBook book, ISigner signer, RateLimiter calls, TimeProvider time)
    {
        _directory = directory;
        _book = book;
        _signer = signer;
        _calls = calls;
        _time = time;
    }

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost(Routes.PseudonymRequest, StorageGuard.Around(HandleAsync));

    private async Task HandleAsync(HttpContext context)
    {
        if (await BearerAccount.RequireAsync(context) is not byte[] account)
        {
            return;
        }

        if (!MediaTypeMatch.Is(context.Request, MediaTypes.TokenRequest))
        {
            await Problems.WriteAsync(context, ProblemTypes.UnsupportedMediaType, $"Send {MediaTypes.TokenRequest}.");
            return;
        }

        var body = new ArrayBufferWriter<byte>(TokenRequest.MaxSizeInBytes);
        switch (await RequestBody.ReadAsync(context, body, TokenRequest.MaxSizeInBytes))
        {
            case BodyReadResult.TooLarge:
                await Problems.WriteAsync(context, ProblemTypes.RequestTooLarge);
                return;
            case BodyReadResult.Aborted:
                context.Abort();
                return;
            default:
                break;
        }

        if (!TokenRequest.TryParse(body.WrittenSpan, out TokenRequest? request))
        {
            await Problems.WriteAsync(context, ProblemTypes.RequestMalformed);
            return;
        }

        (byte[]? signature, string problem) = await IssueAsync(account, request, context.RequestAborted);
        if (signature is null)
        {
            await Problems.WriteAsync(context, problem);
            return;
        }

        context.Response.ContentType = MediaTypes.TokenResponse;
        context.Response.ContentLength = signature.Length;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.Body.WriteAsync(TokenResponse.Encode(signature), context.RequestAborted);
    }

    private async Task<(byte[]? Signature, string Problem)> IssueAsync(byte[] account, TokenRequest request, CancellationToken cancellationToken)
    {
        // 1. The key, by lookup, and the element's range.
        if (await _directory.GetAsync(cancellationToken) is not { Catalog: IssuanceCatalog catalog })
        {
            return (null, ProblemTypes.SignerUnavailable);
        }

        if (catalog.FindPseudonymKey(request, _time.GetUtcNow()) is not IssuanceKey key)
        {
            return (null, ProblemTypes.TokenKeyUnknown);
        }

        if (!key.IsInRange(request.BlindedMessage.Span))
        {
            return (null, ProblemTypes.BlindedMessageInvalid);
        }

        // 2. Whether it is this account's one: durable before anything is signed.
        var item = new IssuanceItem(0, key, request.BlindedMessage, key.HashElement(request.BlindedMessage.Span));
        switch (await _book.GrantAsync(account, item, cancellationToken))
        {
            case PseudonymVerdict.Unpaid:
                return (null, ProblemTypes.PseudonymUnpaid);
            case PseudonymVerdict.OtherElement:
                return (null, ProblemTypes.PseudonymIssued);
            default:
                break;
        }

        if (!_calls.TryTake(account))
        {
            return (null, ProblemTypes.RateLimited);
        }

        // 3. The signature. If it fails the same element is asked for again.
        try
        {
            SignResponse response = await _signer.SignAsync(
                new SignRequest { TokenKeyId = key.TokenKeyId, BlindedMessages = [request.BlindedMessage], Purpose = SigningPurpose.Pseudonym }, cancellationToken);
            switch (response.Status)
            {
                case SignStatus.Success:
                    return (response.BlindSignatures[0], "");
                case SignStatus.InvalidBlindedMessage:
                    await _book.WithdrawAsync(account, item);
                    return (null, ProblemTypes.BlindedMessageInvalid);
                case SignStatus.Busy:
                    return (null, ProblemTypes.Busy);
                case SignStatus.UnknownKey or SignStatus.PlanNotLive:
                    return (null, ProblemTypes.SignerUnavailable);
                default:
                    return (null, ProblemTypes.InternalError);
            }
        }
        catch (SignerUnavailableException)
        {
            return (null, ProblemTypes.SignerUnavailable);
        }
    }
}
