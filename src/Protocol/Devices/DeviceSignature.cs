using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>
/// The signature of a device on one request: HTTP Message Signatures (RFC 9421) with Ed25519 (section 3.3.6), of one exact shape, over method, path and the
/// body's digest (RFC 9530):
/// <code>
/// Content-Digest: sha-256=:…:
/// Signature-Input: tacit=("@method" "@path" "content-digest");created=…;keyid="…";nonce="…";alg="ed25519"
/// Signature: tacit=:…:
/// </code>
/// The key id is the public key (<see cref="DeviceKeyId"/>), the nonce 16 random bytes in base64url, by which a repetition is known. What is covered, in which order and
/// under which label is not negotiated: a verifier that lets the signer choose has to ask of each request what its signature is worth.
/// </summary>
public sealed class DeviceSignature
{
    public const string InputHeader = "Signature-Input";
    public const string SignatureHeader = "Signature";
    public const string DigestHeader = "Content-Digest";

    public const int NonceSizeInBytes = 16;
    public const int DigestSizeInBytes = 32;
    public const int SignatureSizeInBytes = 64;
    public const int RequestIdSizeInBytes = 32;

    private const string Label = "tacit=";
    private const string Covered = "(\"@method\" \"@path\" \"content-digest\")";
    private const string CreatedParameter = ";created=";
    private const string KeyParameter = ";keyid=\"";
    private const string NonceParameter = "\";nonce=\"";
    private const string AlgorithmParameter = "\";alg=\"ed25519\"";
    private const string DigestAlgorithm = "sha-256=";

    private const int NonceLength = 22;

    /// <summary>Digits of a time until the year 5138, so that nothing overflows.</summary>
    private const int MaxCreatedDigits = 11;

    private readonly byte[] _publicKey;
    private readonly byte[] _nonce;
    private readonly byte[] _digest;
    private readonly byte[] _signature;

    private DeviceSignature(byte[] publicKey, byte[] nonce, long created, byte[] digest, byte[] signature)
    {
        _publicKey = publicKey;
        _nonce = nonce;
        Created = created;
        _digest = digest;
        _signature = signature;
    }

    /// <summary>When it was made, in UNIX seconds, as its maker says.</summary>
    public long Created { get; }

    public ReadOnlySpan<byte> PublicKey => _publicKey;

    public ReadOnlySpan<byte> Nonce => _nonce;

    /// <summary>SHA-256 of the body, as its maker says.</summary>
    public ReadOnlySpan<byte> ContentDigest => _digest;

    public string KeyId => DeviceKeyId.Format(_publicKey);

    /// <summary>The three header values.</summary>
    public string InputValue => Label + Covered + Parameters;

    public string SignatureValue => Label + Bytes(_signature);

    public string DigestValue => DigestAlgorithm + Bytes(_digest);

    private string Parameters => string.Create(
        CultureInfo.InvariantCulture,
        $"{CreatedParameter}{Created}{KeyParameter}{DeviceKeyId.Format(_publicKey)}{NonceParameter}{Base64Url.EncodeToString(_nonce)}{AlgorithmParameter}");

    /// <summary>Reads the three headers, each given once. False for every other spelling: there is one for each signature.</summary>
    public static bool TryParse(string? input, string? signature, string? digest, [NotNullWhen(true)] out DeviceSignature? parsed)
    {
        parsed = null;
        ReadOnlySpan<char> rest = input;
        if (!TrySkip(ref rest, Label) || !TrySkip(ref rest, Covered) || !TrySkip(ref rest, CreatedParameter)
            || !TryReadCreated(ref rest, out long created)
            || !TrySkip(ref rest, KeyParameter) || !TryTake(ref rest, DeviceKeyId.LengthInCharacters, out ReadOnlySpan<char> key) || !DeviceKeyId.TryParse(key, out byte[]? publicKey)
            || !TrySkip(ref rest, NonceParameter) || !TryTake(ref rest, NonceLength, out ReadOnlySpan<char> nonceText)
            || !Base64UrlText.TryDecode(nonceText, NonceSizeInBytes, out byte[]? nonce) || nonce.Length != NonceSizeInBytes
            || !TrySkip(ref rest, AlgorithmParameter) || !rest.IsEmpty)
        {
            return false;
        }

        ReadOnlySpan<char> signatureRest = signature;
        ReadOnlySpan<char> digestRest = digest;
        if (!TrySkip(ref signatureRest, Label) || !TryReadBytes(signatureRest, SignatureSizeInBytes, out byte[]? signatureBytes)
            || !TrySkip(ref digestRest, DigestAlgorithm) || !TryReadBytes(digestRest, DigestSizeInBytes, out byte[]? digestBytes))
        {
            return false;
        }

        parsed = new DeviceSignature(publicKey, nonce, created, digestBytes, signatureBytes);
        return true;
    }

    /// <summary>Signs a request.</summary>
    /// <param name="key">The device's key.</param>
    /// <param name="method">Upper case, such as <c>POST</c>.</param>
    /// <param name="path">The path of the target, without a query.</param>
    /// <param name="body">As it is sent.</param>
    /// <param name="nonce">16 bytes from a generator of secrets; the same again for a repetition, never for another request.</param>
    /// <param name="created">Now, by the device's clock.</param>
    public static DeviceSignature Sign(
        Ed25519PrivateKey key, string method, string path, ReadOnlySpan<byte> body, ReadOnlySpan<byte> nonce, DateTimeOffset created)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonce.Length, NonceSizeInBytes);
        byte[] signature = new byte[SignatureSizeInBytes];
        var made = new DeviceSignature(key.PublicKey.Export(), nonce.ToArray(), created.ToUnixTimeSeconds(), SHA256.HashData(body), signature);
        key.Sign(made.Base(method, path), signature);
        return made;
    }

    /// <summary>Whether the signature is the key's over this method and path and the digest that came with it. Says nothing of the body.</summary>
    public bool Verify(string method, string path)
    {
        if (!Ed25519PublicKey.TryImport(_publicKey, out Ed25519PublicKey? key))
        {
            return false;
        }

        using (key)
        {
            return key.Verify(Base(method, path), _signature);
        }
    }

    /// <summary>Whether the digest that was signed is that of this body.</summary>
    public bool IsOf(ReadOnlySpan<byte> body)
    {
        Span<byte> hash = stackalloc byte[DigestSizeInBytes];
        ShortDigest.Sha256(body, hash);
        return CryptographicOperations.FixedTimeEquals(hash, _digest);
    }

    /// <summary>SHA-256("tacit device" ‖ public key ‖ nonce), 32 bytes: what the request is called in the record of spends.</summary>
    public void RequestId(Span<byte> id)
    {
        ReadOnlySpan<byte> label = "tacit device"u8;
        Span<byte> message = stackalloc byte[label.Length + DeviceKeyId.KeySizeInBytes + NonceSizeInBytes];
        label.CopyTo(message);
        _publicKey.CopyTo(message[label.Length..]);
        _nonce.CopyTo(message[(label.Length + DeviceKeyId.KeySizeInBytes)..]);
        ShortDigest.Sha256(message, id);
    }

    private byte[] Base(string method, string path) =>
        SignatureBase.Create([("@method", method), ("@path", path), ("content-digest", DigestValue)], Parameters);

    /// <summary>A byte sequence of structured fields (RFC 9651, section 3.3.5).</summary>
    private static string Bytes(ReadOnlySpan<byte> bytes) => $":{Convert.ToBase64String(bytes)}:";

    private static bool TryReadBytes(ReadOnlySpan<char> text, int size, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        byte[] decoded = new byte[size];
        int length = (size + 2) / 3 * 4;
        if (text.Length != length + 2 || text[0] != ':' || text[^1] != ':'
            || !Convert.TryFromBase64Chars(text[1..^1], decoded, out int written) || written != size
            // Skips white space and takes unused bits that are not zero; there is one spelling here.
            || !text[1..^1].SequenceEqual(Convert.ToBase64String(decoded)))
        {
            return false;
        }

        bytes = decoded;
        return true;
    }

    private static bool TryReadCreated(ref ReadOnlySpan<char> rest, out long created)
    {
        created = 0;
        int digits = 0;
        while (digits < rest.Length && digits <= MaxCreatedDigits && char.IsAsciiDigit(rest[digits]))
        {
            created = (created * 10) + (rest[digits++] - '0');
        }

        bool isOne = digits is > 0 and <= MaxCreatedDigits && (rest[0] != '0' || digits == 1);
        rest = rest[digits..];
        return isOne;
    }

    private static bool TrySkip(ref ReadOnlySpan<char> rest, string text) => rest.StartsWith(text, StringComparison.Ordinal) && TryTake(ref rest, text.Length, out _);

    private static bool TryTake(ref ReadOnlySpan<char> rest, int length, out ReadOnlySpan<char> taken)
    {
        if (rest.Length < length)
        {
            taken = default;
            return false;
        }

        taken = rest[..length];
        rest = rest[length..];
        return true;
    }
}
