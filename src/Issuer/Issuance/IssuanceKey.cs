using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>What a token request can ask for: a key, for 0xDA7A with metadata, and what a token of it costs.</summary>
internal sealed class IssuanceKey
{
    private readonly byte[] _modulus;

    private IssuanceKey(SignerKey key, PlanKey planKey, Plan? plan, byte[] modulus)
    {
        Type = key.Type;
        TokenKeyId = key.TokenKeyId;
        PlanKey = planKey;
        IsOffered = plan is not null && plan.TokenType == key.Type && plan.Period == planKey.Period.Kind;
        Price = plan?.Price.Value ?? 0;
        IsOpen = plan?.Open ?? false;
        ChainLimit = plan?.Kind == PlanKind.Subscription ? plan.Concurrency + Subscriptions.Restarts : null;
        _modulus = modulus;
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        HashBinding(default, hash);
        KeyRef = BinaryPrimitives.ReadInt64BigEndian(hash) & long.MaxValue;
    }

    public TokenType Type { get; }

    public byte[] TokenKeyId { get; }

    public PlanKey PlanKey { get; }

    public string PlanId => PlanKey.PlanId;

    /// <summary>Null for 0x0002.</summary>
    public byte[]? Extensions => PlanKey.Extensions;

    /// <summary>For a subscription, how many first tokens of chains it has in its period, the restart included; null for a request plan.</summary>
    public int? ChainLimit { get; }

    /// <summary>Credits for one token, or for a subscription; what a plan that is no longer sold cost does not matter, since it sells nothing new.</summary>
    public long Price { get; }

    /// <summary>Whether the plan is on sale with keys of this kind.</summary>
    public bool IsOffered { get; }

    /// <summary>Whether its tokens are given to whoever asks, and to no account.</summary>
    public bool IsOpen { get; }

    /// <summary>A short name for the key and its metadata in the database, the same on every issuer.</summary>
    public long KeyRef { get; }

    public DateTimeOffset ExchangeUntil => PlanKey.ExchangeUntil;

    /// <summary>
    /// Whether what was paid for is still signed at <paramref name="now"/>: to the end of the grace, in which a token can be exchanged. A chain has none, since it
    /// ends with its period.
    /// </summary>
    public bool SignsPaidAt(DateTimeOffset now) => PlanKey.IsExchangeableAt(now) && (ChainLimit is null || now < PlanKey.Deadline);

    /// <summary>Whether new tokens are sold under it now. What was paid for before is signed until <see cref="ExchangeUntil"/>.</summary>
    public bool IssuesAt(DateTimeOffset now) => IsOffered && PlanKey.IsLiveAt(now);

    public static IssuanceKey Create(SignerKey key, PlanKey planKey, Plan? plan) => new(key, planKey, plan, ReadModulus(key.SubjectPublicKeyInfo));

    /// <summary>A key of pseudonyms. No plan has it, so that nothing is ever sold under it; what counts here is its id and its range.</summary>
    public static IssuanceKey ForPseudonyms(SignerKey key)
    {
        PseudonymKey pseudonym = key.Pseudonym ?? throw new ArgumentException("This is no key of pseudonyms.", nameof(key));
        var none = new PlanKey
        {
            PlanId = "",
            TokenKeyId = key.TokenKeyId,
            Period = pseudonym.Epoch ?? Period.Containing(PeriodKind.Month, pseudonym.NotBefore),
            NotBefore = pseudonym.NotBefore,
        };
        return new IssuanceKey(key, none, plan: null, ReadModulus(key.SubjectPublicKeyInfo));
    }

    /// <summary>
    /// Whether a blinded message is above zero and below the modulus (RFC 9474 §4.3). Public values: no need for constant time. That it shares no
    /// factor with the modulus is left to the signer; only who knows the factors could make one that does.
    /// </summary>
    public bool IsInRange(ReadOnlySpan<byte> blindedMessage) =>
        blindedMessage.Length == _modulus.Length && blindedMessage.SequenceCompareTo(_modulus) < 0 && blindedMessage.ContainsAnyExcept((byte)0);

    /// <summary>
    /// What makes a request the same request for an account: SHA-256 over token type, key id, extensions and blinded message. Nothing of it is secret, and
    /// nothing of it can be found in the token.
    /// </summary>
    public byte[] HashElement(ReadOnlySpan<byte> blindedMessage)
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        HashBinding(blindedMessage, hash);
        return hash;
    }

    private void HashBinding(ReadOnlySpan<byte> blindedMessage, Span<byte> destination)
    {
        // Every part but the last has a fixed length or says its own.
        ReadOnlySpan<byte> extensions = Extensions;
        Span<byte> input = stackalloc byte[sizeof(ushort) + SHA256.HashSizeInBytes + sizeof(ushort) + TokenExtensions.MaxSizeInBytes + TokenTypes.ModulusSizeInBytes];
        BinaryPrimitives.WriteUInt16BigEndian(input, (ushort)Type);
        int at = sizeof(ushort);
        TokenKeyId.CopyTo(input[at..]);
        at += TokenKeyId.Length;
        BinaryPrimitives.WriteUInt16BigEndian(input[at..], (ushort)extensions.Length);
        at += sizeof(ushort);
        extensions.CopyTo(input[at..]);
        at += extensions.Length;
        blindedMessage.CopyTo(input[at..]);
        at += blindedMessage.Length;
        SHA256.HashData(input[..at], destination);
    }

    /// <summary>The modulus out of a SubjectPublicKeyInfo (RFC 5280 §4.1) around an RSAPublicKey (RFC 8017 A.1.1), to 256 bytes.</summary>
    /// <exception cref="InvalidOperationException">It is no such key.</exception>
    private static byte[] ReadModulus(byte[] spki)
    {
        try
        {
            AsnReader info = new AsnReader(spki, AsnEncodingRules.DER).ReadSequence();
            info.ReadSequence();
            byte[] publicKey = info.ReadBitString(out _);
            ReadOnlySpan<byte> modulus = new AsnReader(publicKey, AsnEncodingRules.DER).ReadSequence().ReadIntegerBytes().Span.TrimStart((byte)0);
            if (modulus.Length == TokenTypes.ModulusSizeInBytes)
            {
                return modulus.ToArray();
            }
        }
        catch (AsnContentException)
        {
            // The same fault: a key that the signer should not have.
        }

        throw new InvalidOperationException("the signer has a key that is no RSA key of 2048 bits");
    }
}

/// <summary>One blinded element of a request, at its place in the batch.</summary>
internal sealed record IssuanceItem(int Index, IssuanceKey Key, ReadOnlyMemory<byte> BlindedMessage, byte[] ElementHash);
