using System.Net.Sockets;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Cli.Sealed;

/// <summary>What a question is sealed with.</summary>
/// <param name="Config">The key, as its statement has it.</param>
/// <param name="Ahead">How far the gateway's clock is ahead of this machine's.</param>
/// <param name="Work">What the gateway asks for before it opens a request; null for nothing.</param>
internal sealed record FoundSealingKey(byte[] Config, TimeSpan Ahead, WorkAnnouncement? Work);

/// <summary>A gateway whose sealing keys are taken under a key that the user pins, without a wallet.</summary>
internal static class SealedGateway
{
    private const string UnixPrefix = "unix:";

    private static readonly TimeSpan MaxAhead = TimeSpan.FromHours(1);

    /// <summary>How long a socket may take for its answer, as <see cref="TransportPool"/> bounds the others.</summary>
    private static readonly TimeSpan SocketTimeout = TimeSpan.FromSeconds(60);

    /// <summary>Whether it is an address that <see cref="FindKeyAsync"/> can ask.</summary>
    public static bool IsAddress(string text) => text.StartsWith(UnixPrefix, StringComparison.Ordinal)
        ? text.Length > UnixPrefix.Length
        : Uri.TryCreate(text, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https";

    /// <summary>The sealing key of this moment.</summary>
    /// <param name="gateway">A base URL, or <c>unix:</c> and the path of a socket.</param>
    /// <param name="pin">The directory key, or the gateway's own, that has to have signed it.</param>
    /// <param name="name">Whose it has to be; null for whoever answers, where the key is that gateway's own.</param>
    /// <param name="transport">How it is connected to, if it has an address, and the one certificate that it may have.</param>
    /// <param name="time">The clock here.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<FoundSealingKey> FindKeyAsync(
        string gateway, string pin, string? name, TransportOptions transport, TimeProvider time, CancellationToken cancellationToken)
    {
        if (!DirectoryOptions.TryParseKey(pin, out ReadOnlyMemory<byte> key) || !Ed25519PublicKey.TryImport(key.Span, out Ed25519PublicKey? pinned))
        {
            throw new CommandException("--key takes 32 bytes in base64url or hexadecimal.", ExitCode.Usage);
        }

        using Ed25519PublicKey owned = pinned;
        SealingKeyDocument document = await FetchAsync(gateway, transport, time, cancellationToken);
        SignedSealingKey[] verified = [.. document.Keys.Where(entry => entry.Verify((message, signature) => owned.Verify(message.Span, signature.Span)))];
        if (document.Keys.Count > 0 && verified.Length == 0)
        {
            throw new CommandException($"The sealing keys at {gateway} are not signed by the key that --key pins. Either it is another gateway, or the key is mistyped.");
        }

        // The name is part of what is signed: of all that a directory key vouches for, only this gateway may be asked.
        if (name is not null && !string.Equals(document.Gateway, name, StringComparison.OrdinalIgnoreCase))
        {
            throw new CommandException($"The sealing keys at {gateway} are those of another gateway than {name}.");
        }

        // Its word about the time is not signed: an old answer, shown again, would have prompts sealed with a key that is over, and perhaps no longer a secret.
        TimeSpan ahead = document.ServerTime - time.GetUtcNow();
        if (ahead.Duration() > MaxAhead)
        {
            throw new CommandException(
                $"The clocks of this machine and of the gateway at {gateway} differ by {ahead.Duration().TotalHours:0.#} hours. Put this one right; if it is, somebody shows you an old answer.");
        }

        // Both clocks have to agree about which one it is; the gateway's decides, as it is the one that opens.
        SealingKey current = SealingKeyList.FindBest(verified, document.ServerTime)?.Key
            ?? throw new CommandException($"The gateway at {gateway} shows no sealing key of this moment. Try again in a moment; if that does not help, its operator should look at its log.");
        return new FoundSealingKey(current.Config, ahead, document.Work is { Bits: > 0 } ? document.Work : null);
    }

    private static async Task<SealingKeyDocument> FetchAsync(string gateway, TransportOptions transport, TimeProvider time, CancellationToken cancellationToken)
    {
        (int status, byte[] body) = gateway.StartsWith(UnixPrefix, StringComparison.Ordinal)
            ? await GetFromSocketAsync(gateway[UnixPrefix.Length..], time, cancellationToken)
            : await GetAsync(new Uri(gateway.TrimEnd('/') + Routes.SealingKeys), transport, time, cancellationToken);
        string? error = null;
        return status == 200 && SealingKeyDocument.TryParse(body, out SealingKeyDocument? document, out error)
            ? document
            : throw new CommandException($"{gateway} shows no sealing keys ({error ?? $"status {status}"}).");
    }

    private static async Task<(int Status, byte[] Body)> GetAsync(Uri address, TransportOptions transport, TimeProvider time, CancellationToken cancellationToken)
    {
        await using TransportPool transports = new(transport, time);
        return await transports.GetAsync(address, SealingKeyDocument.MaxSizeInBytes, cancellationToken);
    }

    private static async Task<(int Status, byte[] Body)> GetFromSocketAsync(string socket, TimeProvider time, CancellationToken cancellationToken)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ActivityHeadersPropagator = null, ConnectTimeout = TimeSpan.FromSeconds(10),
            ConnectCallback = (_, cancelled) => ConnectAsync(socket, cancelled),
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("http://localhost" + Routes.SealingKeys));
        using var deadline = new CancellationTokenSource(SocketTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using HttpResponseMessage response = await http.SendAsync(request, either.Token);
            byte[] body = new byte[SealingKeyDocument.MaxSizeInBytes];
            await using Stream stream = await response.Content.ReadAsStreamAsync(either.Token);
            int length = await stream.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, either.Token);
            return ((int)response.StatusCode, body[..length]);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new CommandException($"What listens on {socket} did not answer in time.");
        }
        catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ConnectionError)
        {
            throw new CommandException($"Nothing answers on {socket}.");
        }
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
