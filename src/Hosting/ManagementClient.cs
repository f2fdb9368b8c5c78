using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Tacit.Hosting;

/// <summary>A management call that did not work; the message is for the operator, as it stands.</summary>
public sealed class ManagementException(string message, int? status = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The status the role answered with, or null if it did not answer.</summary>
    public int? Status { get; } = status;

    /// <summary>True if nothing listens at the socket.</summary>
    public bool IsNotRunning => Status is null;
}

/// <summary>Talks to a running role over its management socket.</summary>
public sealed class ManagementClient : IDisposable
{
    private const int MaxReplyBytes = 16 * 1024 * 1024;

    private readonly HttpMessageInvoker _http;
    private readonly string _role;
    private readonly string _socketPath;

    public ManagementClient(string dataFolder, string role)
    {
        _role = role;
        _socketPath = ManagementSocket.PathFor(dataFolder, role);
        _http = new HttpMessageInvoker(UnixSocketHandler.Create(_socketPath));
    }

    /// <exception cref="ManagementException">Not running, not allowed, refused, or a reply of another version.</exception>
    public Task<TReply> GetAsync<TReply>(string path, JsonTypeInfo<TReply> reply, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Get, path, null, reply, cancellationToken);

    /// <inheritdoc cref="GetAsync"/>
    public Task<TReply> PostAsync<TRequest, TReply>(
        string path, TRequest body, JsonTypeInfo<TRequest> request, JsonTypeInfo<TReply> reply, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, JsonSerializer.SerializeToUtf8Bytes(body, request), reply, cancellationToken);

    /// <summary>A call without a body.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public Task<TReply> PostAsync<TReply>(string path, JsonTypeInfo<TReply> reply, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, path, null, reply, cancellationToken);

    /// <summary>A call with neither body nor reply.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async Task PostAsync(string path, CancellationToken cancellationToken) => await SendAsync(HttpMethod.Post, path, null, cancellationToken);

    private async Task<TReply> SendAsync<TReply>(HttpMethod method, string path, byte[]? body, JsonTypeInfo<TReply> reply, CancellationToken cancellationToken)
    {
        byte[] bytes = await SendAsync(method, path, body, cancellationToken);
        try
        {
            return JsonSerializer.Deserialize(bytes, reply) ?? throw new JsonException();
        }
        catch (JsonException e)
        {
            throw new ManagementException($"The {_role} answered in a form this version does not know. Use the same version of tacit for both.", 200, e);
        }
    }

    private async Task<byte[]> SendAsync(HttpMethod method, string path, byte[]? body, CancellationToken cancellationToken)
    {
        using HttpRequestMessage request = new(method, new Uri("http://localhost" + path));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
        }
        try
        {
            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            byte[] bytes = await BoundedAsync(response.Content, cancellationToken);
            return response.IsSuccessStatusCode
                ? bytes
                : throw new ManagementException(Encoding.UTF8.GetString(bytes) is { Length: > 0 } text ? text : $"The {_role} answered {(int)response.StatusCode}.", (int)response.StatusCode);
        }
        catch (HttpRequestException e)
        {
            SocketError? cause = (e.InnerException as SocketException)?.SocketErrorCode;
            throw new ManagementException(
                cause == SocketError.AccessDenied
                    ? $"This user may not manage the {_role} at {_socketPath}. Run the command as the user that runs the {_role}."
                    : $"No {_role} runs on this data folder ({_socketPath} does not answer). Start it with `tacit {_role}`, or name its folder with --data.",
                inner: e);
        }
        catch (IOException e)
        {
            throw new ManagementException($"The {_role} closed the connection before it answered; its log names the cause.", inner: e);
        }
    }

    private static async Task<byte[]> BoundedAsync(HttpContent content, CancellationToken cancellationToken)
    {
        await content.LoadIntoBufferAsync(MaxReplyBytes, cancellationToken);
        return await content.ReadAsByteArrayAsync(cancellationToken);
    }

    public void Dispose() => _http.Dispose();
}

/// <summary>An HTTP handler whose every connection goes to one Unix socket. It follows nothing, keeps no cookies and asks no proxy.</summary>
internal static class UnixSocketHandler
{
    public static SocketsHttpHandler Create(string socketPath) => new()
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        ActivityHeadersPropagator = null,
        ConnectCallback = async (_, cancellationToken) =>
        {
            Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };
}
