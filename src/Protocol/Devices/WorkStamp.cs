using System.Buffers.Binary;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>
/// A proof of work, hashcash-like: a counter with which SHA-256("tacit work v1" ‖ challenge ‖ request digest ‖ counter) begins with so many zero bits. Written
/// <c>&lt;base64url challenge&gt;.&lt;base64url counter&gt;</c>, unpadded, 34 characters. Made for one request under one challenge; checked by one hash of 69 bytes.
/// </summary>
public readonly record struct WorkStamp
{
    public const int ChallengeSizeInBytes = 16;
    public const int CounterSizeInBytes = 8;
    public const int DigestSizeInBytes = 32;

    /// <summary>The most bits that a stamp can be asked for; far beyond what anybody would wait for.</summary>
    public const int MaxBits = 40;

    private const int ChallengeLength = 22;
    private const int CounterLength = 11;
    private const int MessageSize = 13 + ChallengeSizeInBytes + DigestSizeInBytes + CounterSizeInBytes;

    private readonly UInt128 _challenge;

    public WorkStamp(ReadOnlySpan<byte> challenge, ulong counter)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(challenge.Length, ChallengeSizeInBytes);
        _challenge = BinaryPrimitives.ReadUInt128BigEndian(challenge);
        Counter = counter;
    }

    public ulong Counter { get; }

    /// <summary>Whether it was made for this challenge.</summary>
    public bool IsFor(ReadOnlySpan<byte> challenge) => challenge.Length == ChallengeSizeInBytes && BinaryPrimitives.ReadUInt128BigEndian(challenge) == _challenge;

    /// <summary>Reads the one spelling.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out WorkStamp stamp)
    {
        stamp = default;
        if (text.Length != ChallengeLength + 1 + CounterLength || text[ChallengeLength] != '.'
            || !Base64UrlText.TryDecode(text[..ChallengeLength], ChallengeSizeInBytes, out byte[]? challenge) || challenge.Length != ChallengeSizeInBytes
            || !Base64UrlText.TryDecode(text[(ChallengeLength + 1)..], CounterSizeInBytes, out byte[]? counter) || counter.Length != CounterSizeInBytes)
        {
            return false;
        }

        stamp = new WorkStamp(challenge, BinaryPrimitives.ReadUInt64BigEndian(counter));
        return true;
    }

    public override string ToString()
    {
        Span<byte> challenge = stackalloc byte[ChallengeSizeInBytes];
        Span<byte> counter = stackalloc byte[CounterSizeInBytes];
        BinaryPrimitives.WriteUInt128BigEndian(challenge, _challenge);
        BinaryPrimitives.WriteUInt64BigEndian(counter, Counter);
        return $"{Base64Url.EncodeToString(challenge)}.{Base64Url.EncodeToString(counter)}";
    }

    /// <summary>How many zero bits the hash begins with, and by which 16 of its bytes it can be told from others.</summary>
    /// <param name="digest">Of the request, 32 bytes.</param>
    public int CountBits(ReadOnlySpan<byte> digest, out UInt128 name)
    {
        Span<byte> message = stackalloc byte[MessageSize];
        Span<byte> hash = stackalloc byte[32];
        WriteMessage(digest, message);
        ShortDigest.Sha256(message, hash);
        name = BinaryPrimitives.ReadUInt128BigEndian(hash[16..]);
        return LeadingZeros(hash);
    }

    /// <summary>
    /// Tries counters one after the other, from this stamp's on, and stops at the first that has the bits. Where it starts has to be random: two requests with one
    /// digest would find the same stamp, and the second be taken for a copy.
    /// </summary>
    /// <param name="digest">Of the request, 32 bytes.</param>
    /// <param name="bits">How many are asked for.</param>
    /// <param name="tries">How many counters to try at most.</param>
    /// <param name="found">The stamp; where none was found, the one to go on with.</param>
    public bool TrySolve(ReadOnlySpan<byte> digest, int bits, int tries, out WorkStamp found)
    {
        Span<byte> message = stackalloc byte[MessageSize];
        Span<byte> hash = stackalloc byte[32];
        Span<byte> challenge = stackalloc byte[ChallengeSizeInBytes];
        WriteMessage(digest, message);
        BinaryPrimitives.WriteUInt128BigEndian(challenge, _challenge);
        ulong counter = Counter;
        for (int i = 0; i < tries; i++, counter = unchecked(counter + 1))
        {
            BinaryPrimitives.WriteUInt64BigEndian(message[^CounterSizeInBytes..], counter);
            ShortDigest.Sha256(message, hash);
            if (LeadingZeros(hash) >= bits)
            {
                found = new WorkStamp(challenge, counter);
                return true;
            }
        }

        found = new WorkStamp(challenge, counter);
        return false;
    }

    /// <summary>What stands for a plain request: SHA-256(path ‖ 0x00 ‖ body).</summary>
    public static void DigestOf(ReadOnlySpan<byte> path, ReadOnlySpan<byte> body, Span<byte> digest) => Join(path, "\0"u8, body, digest);

    /// <summary>What stands for a sealed request: SHA-256(encapsulated key ‖ ciphertext).</summary>
    public static void DigestOfSealed(ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> ciphertext, Span<byte> digest) =>
        Join(encapsulatedKey, default, ciphertext, digest);

    private static void Join(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third, Span<byte> digest)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(first);
        hash.AppendData(second);
        hash.AppendData(third);
        hash.GetHashAndReset(digest);
    }

    private void WriteMessage(ReadOnlySpan<byte> digest, Span<byte> message)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(digest.Length, DigestSizeInBytes);
        "tacit work v1"u8.CopyTo(message);
        BinaryPrimitives.WriteUInt128BigEndian(message[13..], _challenge);
        digest.CopyTo(message[(13 + ChallengeSizeInBytes)..]);
        BinaryPrimitives.WriteUInt64BigEndian(message[^CounterSizeInBytes..], Counter);
    }

    private static int LeadingZeros(ReadOnlySpan<byte> hash) => BitOperations.LeadingZeroCount(BinaryPrimitives.ReadUInt64BigEndian(hash));
}
