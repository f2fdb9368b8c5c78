using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Tacit.Hosting.Onion;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>
/// A request that came sealed inside another, and runs through the same handlers as one that came by itself: same rules, admission, spends and chains. It sees nothing
/// of the request it came in but its connection's lane (<see cref="HttpContext.Connection"/>'s id and items), which bounds what one connection can ask for. That
/// connection's end is a vanished client, not a cancel (law 2).
/// </summary>
internal sealed class InnerRequest : IDisposable
{
    /// <summary>Fields that speak of a connection (RFC 9110, section 7.6.1) and mean nothing inside.</summary>
    private static readonly HashSet<string> s_ofConnections =
        new(StringComparer.OrdinalIgnoreCase) { "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "TE", "Upgrade", "Content-Length", "Host" };

    public required string Method { get; init; }

    /// <summary>Path and query, as sent; or the asterisk of the whole server, which has no path.</summary>
    public required string Target { get; init; }

    /// <summary>Names and values of HTTP's characters.</summary>
    public required IEnumerable<BinaryHttpField> Headers { get; init; }

    /// <summary>The body; disposed, and wiped with that, as soon as it has been read, and in any case when the request has been answered.</summary>
    public required SensitiveBuffer Body { get; init; }

    /// <summary>Disposed with the body: what it took of a room.</summary>
    public IDisposable? Room { get; init; }

    /// <summary>
    /// The address to limit by: of the connection that <paramref name="context"/> came over, also where the request came sealed in another. Not for anything else.
    /// </summary>
    public static IPAddress? AddressToLimit(HttpContext context) => (context.Features.Get<OuterFeature>()?.Outer ?? context).Connection.RemoteIpAddress;

    /// <summary>Whether that connection came over the gateway's onion service, so that there is no address, and nobody to be believed about one.</summary>
    public static bool IsOnionToLimit(HttpContext context) => (context.Features.Get<OuterFeature>()?.Outer ?? context).IsOnion();

    /// <summary>What proxies say of that address; never what a sealed request says of itself.</summary>
    public static StringValues ForwardedToLimit(HttpContext context) => (context.Features.Get<OuterFeature>()?.Outer ?? context).Request.Headers["X-Forwarded-For"];

    /// <summary>Whether a field is said of a connection alone.</summary>
    public static bool IsOfConnection(string name) => s_ofConnections.Contains(name) && !name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a request came sealed in another.</summary>
    public static bool IsInner(HttpContext context) => context.Features.Get<OuterFeature>() is not null;

    /// <summary>
    /// Runs the request and writes its answer, whatever it is, to <paramref name="reply"/>. If the answer could not be completed, the outer connection is cut, so that
    /// what was sent does not look whole.
    /// </summary>
    /// <param name="handler">As a rule <see cref="InnerRoutes.InvokeAsync"/>.</param>
    /// <param name="outer">The request it came in.</param>
    /// <param name="reply">Stays the caller's to dispose.</param>
    public async Task RunAsync(RequestDelegate handler, HttpContext outer, InnerReply reply)
    {
        using var body = new InnerBodyReader(Body, Room);
        var response = new InnerResponse(outer, reply);
        HttpContext context = CreateContext(outer, body, response);
        try
        {
            await handler(context);
            await response.EndAsync();
        }
        catch
        {
            response.Fail();
            throw;
        }
    }

    /// <summary>For a request that is not run.</summary>
    public void Dispose()
    {
        Body.Dispose();
        Room?.Dispose();
    }

    private DefaultHttpContext CreateContext(HttpContext outer, InnerBodyReader body, InnerResponse response)
    {
        int query = Target.IndexOf('?', StringComparison.Ordinal);
        var request = new HttpRequestFeature
        {
            Method = Method,
            Path = Target is ['/', ..] ? Unescape(query < 0 ? Target : Target[..query]) : "",
            QueryString = query < 0 ? "" : Target[query..],
            PathBase = "",
            RawTarget = Target,
            Scheme = "https",
            // Not 1.1: requests on one connection do not wait for each other here, and trailers need no framing of ours.
            Protocol = HttpProtocol.Http2,
            Body = Stream.Null,
        };
        foreach ((string name, string value) in Headers)
        {
            if (!name.StartsWith(':') && !s_ofConnections.Contains(name))
            {
                request.Headers[name] = StringValues.Concat(request.Headers[name], value);
            }
        }

        request.Headers.ContentLength = Body.WrittenCount;
        var features = new FeatureCollection(12);
        features.Set<IHttpRequestFeature>(request);
        features.Set<IRequestBodyPipeFeature>(body);
        features.Set<IHttpResponseFeature>(response);
        features.Set<IHttpResponseBodyFeature>(response);
        features.Set<IHttpResponseTrailersFeature>(response);
        features.Set<IHttpRequestLifetimeFeature>(response);
        features.Set<IHttpConnectionFeature>(new HttpConnectionFeature { ConnectionId = outer.Connection.Id });
        features.Set(outer.Features.Get<IConnectionItemsFeature>());
        features.Set(new OuterFeature(outer));
        return new DefaultHttpContext(features);
    }

    private static string Unescape(string path) => path.Contains('%', StringComparison.Ordinal) ? Uri.UnescapeDataString(path) : path;

    private sealed record OuterFeature(HttpContext Outer);
}

/// <summary>A body that is all there, let go of when it has been read.</summary>
internal sealed class InnerBodyReader(SensitiveBuffer body, IDisposable? room) : PipeReader, IRequestBodyPipeFeature, IDisposable
{
    private int _read;
    private bool _isDisposed;

    PipeReader IRequestBodyPipeFeature.Reader => this;

    public override bool TryRead(out ReadResult result)
    {
        result = new ReadResult(_isDisposed ? default : new ReadOnlySequence<byte>(body.WrittenMemory[_read..]), isCanceled: false, isCompleted: true);
        return true;
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        TryRead(out ReadResult result);
        return new ValueTask<ReadResult>(result);
    }

    public override void AdvanceTo(SequencePosition consumed)
    {
        if (_isDisposed)
        {
            return;
        }

        _read += (int)new ReadOnlySequence<byte>(body.WrittenMemory[_read..]).GetOffset(consumed);
        if (_read == body.WrittenCount)
        {
            Dispose();
        }
    }

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => AdvanceTo(consumed);

    public override void CancelPendingRead()
    {
        // None waits.
    }

    public override void Complete(Exception? exception = null) => Dispose();

    public void Dispose()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            body.Dispose();
            room?.Dispose();
        }
    }
}
