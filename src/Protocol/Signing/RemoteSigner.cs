namespace Tacit.Protocol;

/// <summary>A signer in another process. Knows no network: the bytes of <see cref="SignerWire"/> go through a given delegate.</summary>
public sealed class RemoteSigner : ISigner
{
    private readonly Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> _send;

    /// <param name="send">Carries a request to the signer over an authenticated channel and brings back its answer.</param>
    public RemoteSigner(Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask<byte[]>> send)
    {
        ArgumentNullException.ThrowIfNull(send);
        _send = send;
    }

    public async ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken)
    {
        byte[] answer = await SendAsync(SignerWire.EncodeKeysRequest(), cancellationToken);
        return SignerWire.TryDecodeKeys(answer, out IReadOnlyList<SignerKey>? keys)
            ? keys
            : throw new SignerUnavailableException("The signer's list of keys cannot be read.");
    }

    public async ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        Check(request);
        byte[] answer = await SendAsync(SignerWire.EncodeSignRequest(request), cancellationToken);
        return SignerWire.TryDecodeSignResponse(answer, request.BlindedMessages.Count, out SignResponse? response)
            ? response
            : throw new SignerUnavailableException("The signer's answer cannot be read.");
    }

    private static void Check(SignRequest request)
    {
        if (request.TokenKeyId.Length != Token.KeyIdSizeInBytes
            || request.BlindedMessages.Count is 0 or > SignerWire.MaxMessages
            || request.BlindedMessages.Any(message => message.Length != SignerWire.MessageSize)
            || request.Extensions?.Length > TokenExtensions.MaxSizeInBytes
            || !Enum.IsDefined(request.Purpose))
        {
            throw new ArgumentException("A sign request has a 32-byte key id and 1 to 1,000 messages of 256 bytes.", nameof(request));
        }
    }

    private async ValueTask<byte[]> SendAsync(byte[] request, CancellationToken cancellationToken)
    {
        try
        {
            return await _send(request, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            // Whatever the channel throws, the caller can do one thing about it: try again later.
            throw new SignerUnavailableException("The signer does not answer.", e);
        }
    }
}
