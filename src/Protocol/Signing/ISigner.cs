namespace Tacit.Protocol;

/// <summary>
/// What holds the private keys, as the issuer and the gateway see it: in the same process (the demo), or another one behind
/// <see cref="RemoteSigner"/>. It learns blinded messages and plans, never an account or a finished token.
/// </summary>
public interface ISigner
{
    /// <summary>All keys that are live, will soon be, or may still be exchanged; with the plans that each signs for.</summary>
    /// <exception cref="SignerUnavailableException">The signer does not answer.</exception>
    ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken);

    /// <summary>Signs all messages of the request, or none.</summary>
    /// <exception cref="SignerUnavailableException">The signer does not answer; whether it signed is unknown, and signing again is harmless.</exception>
    ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken);
}

/// <summary>The signer cannot be reached or speaks another language. The request may be repeated.</summary>
public sealed class SignerUnavailableException : Exception
{
    public SignerUnavailableException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>A public key of the signer and the plans that it signs for.</summary>
public sealed record SignerKey
{
    public required TokenType Type { get; init; }

    /// <summary>SHA-256 of <see cref="SubjectPublicKeyInfo"/>, 32 bytes.</summary>
    public required byte[] TokenKeyId { get; init; }

    /// <summary>RSASSA-PSS SubjectPublicKeyInfo (RFC 9578, section 6.5).</summary>
    public required byte[] SubjectPublicKeyInfo { get; init; }

    /// <summary>When the key itself begins to be used.</summary>
    public required DateTimeOffset NotBefore { get; init; }

    /// <summary>0x0002: exactly one; 0xDA7A: one for each plan and period whose metadata the key signs.</summary>
    public required IReadOnlyList<PlanKey> Plans { get; init; }

    /// <summary>What it signs if it is a key of pseudonyms, and then it has no plan; null for every other.</summary>
    public PseudonymKey? Pseudonym { get; init; }

    /// <summary>The last byte of the key id, unique among live keys.</summary>
    public byte TruncatedKeyId => TokenKeyId[^1];
}

/// <summary>What a signature is for.</summary>
public enum SigningPurpose
{
    /// <summary>New tokens of a live plan, paid by an account.</summary>
    Issuance = 1,

    /// <summary>The successor of a spent token, for the gateway; also within the grace period after the deadline.</summary>
    Exchange = 2,

    /// <summary>The next token of a chain, for the gateway: live subscription plans only, and limited in rate.</summary>
    Renewal = 3,

    /// <summary>A pseudonym of an account that paid, under a key that signs nothing else.</summary>
    Pseudonym = 4,
}

/// <summary>Blinded messages to sign under one key.</summary>
public sealed record SignRequest
{
    /// <summary>32 bytes.</summary>
    public required byte[] TokenKeyId { get; init; }

    /// <summary>The encoded Extensions for 0xDA7A; null for 0x0002.</summary>
    public byte[]? Extensions { get; init; }

    /// <summary>1 to 1,000 of 256 bytes each.</summary>
    public required IReadOnlyList<ReadOnlyMemory<byte>> BlindedMessages { get; init; }

    public SigningPurpose Purpose { get; init; } = SigningPurpose.Issuance;
}

/// <summary>How a signing ended. Whatever is not <see cref="Success"/> signed nothing.</summary>
public enum SignStatus
{
    Success = 0,

    /// <summary>The request cannot be read, or goes past a limit.</summary>
    Malformed = 1,

    /// <summary>No key has this id.</summary>
    UnknownKey = 2,

    /// <summary>The key, or the plan and deadline in the extensions, is not live for this purpose.</summary>
    PlanNotLive = 3,

    /// <summary>The message at <see cref="SignResponse.FailedIndex"/> is not between 0 and the modulus, or shares a factor with it.</summary>
    InvalidBlindedMessage = 4,

    /// <summary>The signer's queue is full; try again later.</summary>
    Busy = 5,

    /// <summary>A signature failed its own check and was withheld.</summary>
    Failed = 6,

    /// <summary>More renewals of this plan than its rate allows; the same one may be asked for again later.</summary>
    RateLimited = 7,
}

/// <summary>The outcome of a <see cref="SignRequest"/>.</summary>
public sealed record SignResponse
{
    public required SignStatus Status { get; init; }

    /// <summary>One of 256 bytes for each message, in order; empty unless <see cref="SignStatus.Success"/>.</summary>
    public IReadOnlyList<byte[]> BlindSignatures { get; init; } = [];

    /// <summary>Which message was invalid, or −1.</summary>
    public int FailedIndex { get; init; } = -1;

    public static SignResponse Completed(IReadOnlyList<byte[]> blindSignatures) =>
        new() { Status = SignStatus.Success, BlindSignatures = blindSignatures };

    public static SignResponse Refused(SignStatus status, int failedIndex = -1) => new() { Status = status, FailedIndex = failedIndex };
}
