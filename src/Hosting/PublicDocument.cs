using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;

namespace Tacit.Hosting;

/// <summary>What roles read of each other, such as an issuer's directory or a gateway's sealing keys: the same for everyone, and signed.</summary>
public static class PublicDocument
{
    private const string Untrusted = "no secure connection to it: its certificate is not valid here, or TLS is older than 1.2";

    /// <summary>Fetches it over a connection of its own: it happens every few minutes, and a name may have moved meanwhile.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="maxBytes">How long it may be.</param>
    /// <param name="connectTimeout">How long a connection may take.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="HttpRequestException">It could not be had; <see cref="FaultOf"/> says why.</exception>
    public static async Task<byte[]> FetchAsync(Uri address, int maxBytes, TimeSpan connectTimeout, CancellationToken cancellationToken)
    {
        using var invoker = new HttpMessageInvoker(
            new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ActivityHeadersPropagator = null, ConnectTimeout = connectTimeout });
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        using HttpResponseMessage response = await invoker.SendAsync(request, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new HttpRequestException("No document.", null, response.StatusCode);
        }

        await response.Content.LoadIntoBufferAsync(maxBytes, cancellationToken);
        return await response.Content.ReadAsByteArrayAsync(cancellationToken);
    }

    /// <summary>Why a document could not be had, in words that go on a sentence about its server: no names, no addresses, nothing that it sent (law 4).</summary>
    public static string FaultOf(Exception exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        return exception switch
        {
            HttpRequestException { StatusCode: HttpStatusCode status } => $"it answers with status {(int)status}",
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => "its name could not be resolved",
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => Untrusted,
            HttpRequestException { InnerException: AuthenticationException } => Untrusted,
            HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } => "nothing listens at its address",
            HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "no connection to it could be made",
            HttpRequestException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => "it answers with more than the document can have",
            HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } => "what it answers is not HTTP",
            HttpRequestException or IOException => "the connection to it broke off",
            OperationCanceledException or TimeoutException => "it does not answer in time",
            _ => ExceptionNames.Of(exception),
        };
    }
}
