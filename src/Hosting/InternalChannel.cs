using System.Buffers;
using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Tacit.Hosting;

/// <summary>
/// The call of one role to another (issuer or gateway to signer): bytes there, bytes back, over a Unix socket or a URL, both ways authenticated by
/// HMAC-SHA256 under a shared key that never travels. The answer's tag covers the question's, so an answer cannot be passed off for another. A call that is
/// recorded and repeated gets the same answer: whoever serves has to be idempotent, as the signer is.
/// </summary>
public static class InternalChannel
{
    public const int MinKeyBytes = 16;

    internal const string TagHeader = "Tacit-Internal";
    internal const string MediaType = "application/octet-stream";

    private static ReadOnlySpan<byte> RequestLabel => "tacit internal request\0"u8;

    private static ReadOnlySpan<byte> ReplyLabel => "tacit internal reply\0"u8;

    /// <summary>Serves <paramref name="handler"/> at <paramref name="path"/>. An exception of the handler becomes a 500 without its text.</summary>
    /// <param name="key">At least <see cref="MinKeyBytes"/> bytes. Not disposed of here; must outlive the server.</param>
    /// <param name="maxBytes">Most bytes of a request.</param>
    public static void Map(
        IEndpointRouteBuilder routes, string path, SecretBytes key, int maxBytes, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> handler)
    {
        RequireKey(key);
        routes.MapPost(path, (RequestDelegate)(async context =>
        {
            // The cheap test first: a stranger costs no buffer.
            string? header = context.Request.Headers[TagHeader];
            byte[] tag = new byte[HMACSHA256.HashSizeInBytes];
            if (header is null || !TryDecodeTag(header, tag))
            {
                context.Response.StatusCode = StatusCodes.Status401Unauthorized;
                return;
            }
            ArrayBufferWriter<byte> body = new();
            switch (await RequestBody.ReadAsync(context, body, maxBytes))
            {
                case BodyReadResult.TooLarge:
                    context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
                    return;
                case BodyReadResult.Aborted:
                    context.Abort();
                    return;
                default:
                    break;
            }
            if (!CryptographicOperations.FixedTimeEquals(tag, RequestTag(key, path, body.WrittenSpan)))
            {
                context.Response.StatusCode = StatusCodes.Status401Unauthorized;
                return;
            }
            byte[] reply = await handler(body.WrittenMemory, context.RequestAborted);
            context.Response.ContentType = MediaType;
            context.Response.ContentLength = reply.Length;
            context.Response.Headers[TagHeader] = Base64Url.EncodeToString(ReplyTag(key, tag, reply));
            await context.Response.Body.WriteAsync(reply, context.RequestAborted);
        }));
    }

    internal static byte[] RequestTag(SecretBytes key, string path, ReadOnlySpan<byte> body)
    {
        using IncrementalHash hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key.Span);
        hmac.AppendData(RequestLabel);
        hmac.AppendData(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(path)));
        hmac.AppendData(body);
        return hmac.GetHashAndReset();
    }

    internal static byte[] ReplyTag(SecretBytes key, ReadOnlySpan<byte> requestTag, ReadOnlySpan<byte> body)
    {
        using IncrementalHash hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key.Span);
        hmac.AppendData(ReplyLabel);
        hmac.AppendData(requestTag);
        hmac.AppendData(body);
        return hmac.GetHashAndReset();
    }

    internal static bool TryDecodeTag(string text, Span<byte> tag) =>
        Base64Url.TryDecodeFromChars(text, tag, out int written) && written == tag.Length;

    internal static void RequireKey(SecretBytes key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Length < MinKeyBytes)
        {
            throw new SettingsException(new SettingsProblem(
                "InternalKey", $"the key between the roles has fewer than {MinKeyBytes} bytes", "Make one with: openssl rand -base64 32"));
        }
    }
}

/// <summary>A call between roles that did not work.</summary>
public sealed class InternalChannelException(string message, bool isUnreachable, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>True if the other role did not answer: worth another try. False if it refused or answered with a wrong tag: a matter of settings.</summary>
    public bool IsUnreachable { get; } = isUnreachable;
}

/// <summary>The calling side of <see cref="InternalChannel"/>; <see cref="SendAsync"/> is the delegate that a remote signer takes.</summary>
public sealed class InternalChannelClient : IDisposable
{
    private readonly HttpMessageInvoker _http;
    private readonly Uri _address;
    private readonly SecretBytes _key;
    private readonly int _maxReplyBytes;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _time;

    /// <param name="target"><c>unix:/path/to.sock</c>, <c>https://host:port</c>, or <c>http://</c> to a loopback address.</param>
    /// <param name="path">The path served, with its leading slash.</param>
    /// <param name="key">As served. Copied.</param>
    /// <param name="setting">The setting that holds the target, for errors.</param>
    /// <param name="roots">The only certificates that an https target's may be or lead to; null: those of the system.</param>
    /// <exception cref="SettingsException">The target is neither form, or would carry blinded elements in the clear over a network.</exception>
    public InternalChannelClient(
        string target, string path, SecretBytes key, int maxReplyBytes, TimeSpan timeout, TimeProvider time, string setting, X509Certificate2Collection? roots = null)
    {
        InternalChannel.RequireKey(key);
        if (target.StartsWith("unix:", StringComparison.Ordinal) && target.Length > 5)
        {
            _http = new HttpMessageInvoker(UnixSocketHandler.Create(Path.GetFullPath(target[5..])));
            _address = new Uri("http://localhost" + path);
        }
        else if (Uri.TryCreate(target, UriKind.Absolute, out Uri? uri) && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)))
        {
            SocketsHttpHandler handler = new()
            {
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                ActivityHeadersPropagator = null,
                ConnectTimeout = TimeSpan.FromSeconds(5),
                // So that a signer that moved, or took another certificate, is found again.
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            };
            if (roots is not null)
            {
                X509ChainPolicy policy = new() { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                policy.CustomTrustStore.AddRange(roots);
                handler.SslOptions.CertificateChainPolicy = policy;
            }
            _http = new HttpMessageInvoker(handler);
            _address = new Uri(uri, path);
        }
        else
        {
            throw new SettingsException(new SettingsProblem(
                setting, $"{target} is no address of a role", "Write unix:/path/to.sock, https://host:port, or http:// with a loopback address."));
        }
        _key = key.Copy();
        _maxReplyBytes = maxReplyBytes;
        _timeout = timeout;
        _time = time;
    }

    /// <exception cref="InternalChannelException">No answer in time, a refusal, or an answer that is not authentic.</exception>
    public async ValueTask<byte[]> SendAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        byte[] tag = InternalChannel.RequestTag(_key, _address.AbsolutePath, body.Span);
        using HttpRequestMessage request = new(HttpMethod.Post, _address);
        request.Content = new ReadOnlyMemoryContent(body) { Headers = { ContentType = new MediaTypeHeaderValue(InternalChannel.MediaType) } };
        request.Headers.TryAddWithoutValidation(InternalChannel.TagHeader, Base64Url.EncodeToString(tag));
        using CancellationTokenSource late = new(_timeout, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, either.Token);
            if (response.StatusCode == HttpStatusCode.Unauthorized)
            {
                throw new InternalChannelException($"The role at {_address.Authority} refused the key between the roles: both need the same one.", isUnreachable: false);
            }
            if (response.StatusCode != HttpStatusCode.OK)
            {
                throw new InternalChannelException($"The role at {_address.Authority} answered {(int)response.StatusCode}; its log names the cause.", (int)response.StatusCode >= 500);
            }
            await response.Content.LoadIntoBufferAsync(_maxReplyBytes, either.Token);
            byte[] reply = await response.Content.ReadAsByteArrayAsync(either.Token);
            byte[] given = new byte[HMACSHA256.HashSizeInBytes];
            bool authentic = response.Headers.TryGetValues(InternalChannel.TagHeader, out IEnumerable<string>? values)
                && InternalChannel.TryDecodeTag(values.First(), given)
                && CryptographicOperations.FixedTimeEquals(given, InternalChannel.ReplyTag(_key, tag, reply));
            return authentic
                ? reply
                : throw new InternalChannelException($"What answers at {_address.Authority} does not hold the key between the roles.", isUnreachable: false);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InternalChannelException($"The role at {_address.Authority} did not answer within {_timeout}.", isUnreachable: true, e);
        }
        catch (HttpRequestException e)
        {
            throw new InternalChannelException($"The role at {_address.Authority} cannot be reached.", isUnreachable: true, e);
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _key.Dispose();
    }
}
