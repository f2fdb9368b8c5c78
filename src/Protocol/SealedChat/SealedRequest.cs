using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>A sealed request at either side: what was sealed, and the secret of its reply. A retry is sealed anew.</summary>
public static class SealedRequest
{
    /// <summary>Seals a request under a fresh encapsulation.</summary>
    /// <param name="suite">The key's KEM with HKDF-SHA256 and ChaCha20-Poly1305.</param>
    /// <param name="key">The gateway's current sealing key, of whose statement the caller has made sure.</param>
    /// <param name="keyConfiguration">Its <c>config</c>, whose first byte is its id.</param>
    /// <param name="now">The gateway's time as far as it is known.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="output">Gets the JSON to send.</param>
    /// <param name="work">Makes the proof of work over encapsulated key and ciphertext, where the gateway asks for one.</param>
    /// <returns>What the reply opens with.</returns>
    public static SealedReplySecret Seal(
        HpkeSuite suite, HpkePublicKey key, ReadOnlySpan<byte> keyConfiguration, DateTimeOffset now, SealedInnerRequest request, IBufferWriter<byte> output,
        Func<byte[], byte[], string>? work = null)
    {
        ArgumentNullException.ThrowIfNull(suite);
        ArgumentNullException.ThrowIfNull(request);
        byte[] requestId = RandomNumberGenerator.GetBytes(SealedChatFormat.RequestIdSizeInBytes);
        long timestamp = now.ToUnixTimeMilliseconds();
        byte[] aad = SealedChatFormat.Aad(keyConfiguration[0], timestamp, requestId);
        byte[] encapsulatedKey = new byte[suite.EncapsulatedKeySizeInBytes];
        using var plaintext = new SensitiveBuffer(request.Body.Length + 1024);
        request.WritePlaintext(plaintext);
        byte[] ciphertext = new byte[plaintext.WrittenCount + suite.TagSizeInBytes];
        using HpkeSender sender = suite.SetupSender(key, SealedChatFormat.Info(keyConfiguration), encapsulatedKey);
        sender.Seal(aad, plaintext.WrittenSpan, ciphertext);
        Span<byte> secret = stackalloc byte[SealedChatFormat.ReplySecretSizeInBytes];
        sender.Export(SealedChatFormat.ReplyLabel, secret);
        var reply = new SealedReplySecret(secret, encapsulatedKey, requestId);
        CryptographicOperations.ZeroMemory(secret);
        SealedEnvelope.Write(output, encapsulatedKey, ciphertext, aad, timestamp, requestId, work?.Invoke(encapsulatedKey, ciphertext));
        return reply;
    }

    /// <summary>Opens a request at the gateway. Its age, and whether it came before, are for the caller to judge.</summary>
    /// <param name="suite">As for <see cref="Seal"/>.</param>
    /// <param name="key">The private key that <see cref="SealedEnvelope.KeyId"/> names.</param>
    /// <param name="plaintext">Gets what was sealed; the body of <paramref name="request"/> is a part of it.</param>
    /// <param name="reply">Seals the reply. To be disposed of.</param>
    public static SealedRequestError Open(
        HpkeSuite suite, HpkePrivateKey key, ReadOnlySpan<byte> keyConfiguration, SealedEnvelope envelope, SensitiveBuffer plaintext, out SealedInnerRequest? request,
        out SealedReplySecret? reply)
    {
        ArgumentNullException.ThrowIfNull(suite);
        ArgumentNullException.ThrowIfNull(envelope);
        ArgumentNullException.ThrowIfNull(plaintext);
        request = null;
        reply = null;
        using HpkeRecipient? recipient = suite.SetupRecipient(key, envelope.EncapsulatedKey, SealedChatFormat.Info(keyConfiguration));
        int size = envelope.Ciphertext.Length - suite.TagSizeInBytes;
        if (recipient is null || !recipient.TryOpen(envelope.Aad, envelope.Ciphertext.Span, plaintext.GetSpan(size)[..size]))
        {
            return SealedRequestError.Undecryptable;
        }

        int start = plaintext.WrittenCount;
        plaintext.Advance(size);
        Span<byte> secret = stackalloc byte[SealedChatFormat.ReplySecretSizeInBytes];
        recipient.Export(SealedChatFormat.ReplyLabel, secret);
        reply = new SealedReplySecret(secret, envelope.EncapsulatedKey, envelope.RequestId);
        CryptographicOperations.ZeroMemory(secret);
        return SealedInnerRequest.TryParse(plaintext.WrittenMemory[start..], out request) ? SealedRequestError.None : SealedRequestError.MalformedInside;
    }

    /// <summary>The suite of sealed chat for a KEM; false where this machine has none.</summary>
    public static bool TryFindSuite(ushort kem, [NotNullWhen(true)] out HpkeSuite? suite) => HpkeSuite.TryFind(kem, 0x0001, SealedReplySecret.AeadId, out suite);
}

/// <summary>What opens, or seals, the reply to one request: single use. Wiped on dispose.</summary>
public sealed class SealedReplySecret : IDisposable
{
    internal const ushort AeadId = 0x0003;

    private readonly byte[] _secret;

    /// <param name="secret">32 bytes, exported from the request's context. Copied.</param>
    /// <param name="encapsulatedKey">The request's.</param>
    /// <param name="requestId">16 bytes.</param>
    public SealedReplySecret(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> requestId)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SealedChatFormat.ReplySecretSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(requestId.Length, SealedChatFormat.RequestIdSizeInBytes);
        _secret = secret.ToArray();
        EncapsulatedKey = encapsulatedKey.ToArray();
        RequestId = requestId.ToArray();
    }

    public ReadOnlyMemory<byte> EncapsulatedKey { get; }

    public ReadOnlyMemory<byte> RequestId { get; }

    /// <summary>Secret ‖ request id ‖ encapsulated key, for a client that keeps it until the reply comes. Secret.</summary>
    public byte[] Encode() => [.. _secret, .. RequestId.Span, .. EncapsulatedKey.Span];

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out SealedReplySecret? secret)
    {
        const int Head = SealedChatFormat.ReplySecretSizeInBytes + SealedChatFormat.RequestIdSizeInBytes;
        secret = encoded.Length is > Head and <= Head + SealedEnvelope.MaxEncapsulatedKeySizeInBytes
            ? new SealedReplySecret(encoded[..SealedChatFormat.ReplySecretSizeInBytes], encoded[Head..], encoded[SealedChatFormat.ReplySecretSizeInBytes..Head])
            : null;
        return secret is not null;
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_secret);

    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[scrubbed]";

    /// <summary>The key of the reply with this nonce, and the nonce of its first chunk (12 bytes).</summary>
    internal AeadKey DeriveKey(ReadOnlySpan<byte> responseNonce, Span<byte> nonce)
    {
        Span<byte> key = stackalloc byte[32];
        SealedChatFormat.DeriveReplyKey(_secret, EncapsulatedKey.Span, responseNonce, key, nonce);
        var aead = new AeadKey(AeadId, key);
        CryptographicOperations.ZeroMemory(key);
        return aead;
    }
}
