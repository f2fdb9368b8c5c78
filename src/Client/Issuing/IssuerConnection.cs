using System.Net.Http.Headers;
using System.Text.Json;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>An answer of the issuer that is no success: problem details (RFC 9457).</summary>
internal sealed record IssuerProblem(int Status, string Type, string Text);

/// <summary>The issuer's calls, each on a connection of its own. None is repeated here: each caller's journal knows what may be.</summary>
/// <param name="directory">Says where the issuer is reached.</param>
internal sealed class IssuerConnection(TransportPool transports, DirectoryClient directory, TimeProvider time)
{
    private const int MaxJsonBytes = 1 << 20;

    private readonly IdentityCaller _caller = new(transports, time);

    public Route Route => Route.Direct(directory.IssuerAddress);

    /// <summary>Sends and reads the whole answer.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.IssuerUnreachable"/>: whether the issuer acted is unknown.</exception>
    public async Task<ServiceReply> SendAsync(
        HttpMethod method, Uri uri, string? bearer, byte[]? body, string? mediaType, string accept, int maxReplyBytes, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, uri);
        request.Headers.TryAddWithoutValidation("Accept", accept);
        if (bearer is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + bearer);
        }
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(mediaType!);
        }
        try
        {
            // The address of token requests may be another server's: the route is the one that this request needs.
            return await _caller.SendAsync(Route.Direct(new Uri(uri.GetLeftPart(UriPartial.Authority))), request, maxReplyBytes, cancellationToken);
        }
        catch (TransportException e)
        {
            throw e.ToClientException(ClientError.IssuerUnreachable, $"The issuer cannot be reached. {e.Message} Nothing is lost: the call is safe to repeat.");
        }
    }

    /// <summary>A call of the account interface: JSON both ways.</summary>
    public async Task<ServiceReply> SendJsonAsync(HttpMethod method, string path, string? bearer, byte[]? body, CancellationToken cancellationToken)
    {
        await directory.RecallAddressAsync(cancellationToken);
        return await SendAsync(method, Route.Resolve(path), bearer, body, MediaTypes.Json, MediaTypes.Json, MaxJsonBytes, cancellationToken);
    }

    /// <summary>Reads problem details; whatever else came is described by its status.</summary>
    public static IssuerProblem ReadProblem(ServiceReply reply)
    {
        string type = "";
        string text = $"The issuer answered {reply.Status}.";
        try
        {
            using JsonDocument json = JsonDocument.Parse(reply.Body);
            if (json.RootElement.ValueKind == JsonValueKind.Object)
            {
                type = Member(json.RootElement, "type") ?? "";
                text = Member(json.RootElement, "detail") ?? Member(json.RootElement, "title") ?? text;
            }
        }
        catch (JsonException)
        {
            // Not the issuer's own answer, perhaps a proxy's page. The status says enough.
        }
        // It ends in somebody's terminal: no escape sequences, no second lines.
        text = string.Concat(text.Take(500).Select(c => char.IsControl(c) ? ' ' : c));
        return new IssuerProblem(reply.Status, type, text);

        static string? Member(JsonElement json, string name) =>
            json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    /// <summary>The typed error for an answer that is no success.</summary>
    public static ClientException Refuse(ServiceReply reply)
    {
        IssuerProblem problem = ReadProblem(reply);
        ClientError error = problem.Type switch
        {
            ProblemTypes.AccountKeyRequired or ProblemTypes.AccountKeyMalformed => ClientError.AccountMissing,
            ProblemTypes.SubscriptionChainsUsed => ClientError.SubscriptionUsed,
            ProblemTypes.InsufficientCredit => ClientError.InsufficientCredits,
            ProblemTypes.VoucherMalformed or ProblemTypes.VoucherUnknown or ProblemTypes.VoucherUsed or ProblemTypes.VoucherExpired => ClientError.VoucherRefused,
            ProblemTypes.TokenKeyUnknown or ProblemTypes.PlanNotLive => ClientError.PlanUnavailable,
            _ => reply.Status >= 500 ? ClientError.IssuerUnreachable : ClientError.IssuerRefused,
        };
        return new ClientException(error, problem.Text);
    }
}
