using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Hpke;

/// <summary>HMAC-SHA-256 (RFC 2104) over pieces, with the state on the stack. Wiped by <see cref="Finish"/>.</summary>
internal unsafe ref struct StackHmac
{
    private const int BlockSize = 64;

    // sizeof(SHA256_CTX) is 112 (openssl/sha.h).
    private const int StateSize = 112;

    private fixed ulong _state[StateSize / sizeof(ulong)];
    private fixed byte _outerPad[BlockSize];

    /// <param name="key">At most 64 bytes.</param>
    internal void Begin(scoped ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, BlockSize);
        byte* innerPad = stackalloc byte[BlockSize];
        fixed (byte* outerPad = _outerPad)
        fixed (ulong* state = _state)
        {
            for (int i = 0; i < BlockSize; i++)
            {
                byte value = i < key.Length ? key[i] : (byte)0;
                innerPad[i] = (byte)(value ^ 0x36);
                outerPad[i] = (byte)(value ^ 0x5c);
            }

            LibCrypto.Check(LibCrypto.SHA256_Init(state) & LibCrypto.SHA256_Update(state, innerPad, BlockSize));
        }

        CryptographicOperations.ZeroMemory(new Span<byte>(innerPad, BlockSize));
    }

    internal void Append(scoped ReadOnlySpan<byte> bytes)
    {
        fixed (ulong* state = _state)
        fixed (byte* first = &MemoryMarshal.GetReference(bytes))
        {
            // In pieces: the collector waits for each call.
            for (int done = 0; done < bytes.Length; done += ShortDigest.MaxShort)
            {
                LibCrypto.Check(LibCrypto.SHA256_Update(state, first + done, (nuint)Math.Min(ShortDigest.MaxShort, bytes.Length - done)));
            }
        }
    }

    internal void Finish(scoped Span<byte> mac)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(mac.Length, LabeledHkdf.HashSizeInBytes);
        fixed (ulong* state = _state)
        fixed (byte* outerPad = _outerPad, output = mac)
        {
            LibCrypto.Check(
                LibCrypto.SHA256_Final(output, state)
                & LibCrypto.SHA256_Init(state)
                & LibCrypto.SHA256_Update(state, outerPad, BlockSize)
                & LibCrypto.SHA256_Update(state, output, LabeledHkdf.HashSizeInBytes)
                & LibCrypto.SHA256_Final(output, state));
            CryptographicOperations.ZeroMemory(new Span<byte>(state, StateSize));
            CryptographicOperations.ZeroMemory(new Span<byte>(outerPad, BlockSize));
        }
    }
}

/// <summary>LabeledExtract and LabeledExpand over HKDF-SHA256 (RFC 9180 §4, RFC 5869).</summary>
internal static class LabeledHkdf
{
    internal const int HashSizeInBytes = 32;

    /// <summary>RFC 5869 §2.3.</summary>
    internal const int MaxLength = 255 * HashSizeInBytes;

    private static ReadOnlySpan<byte> Version => "HPKE-v1"u8;

    internal static void Extract(ReadOnlySpan<byte> suiteId, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> label, ReadOnlySpan<byte> input, Span<byte> key)
    {
        StackHmac hmac = default;
        hmac.Begin(salt);
        hmac.Append(Version);
        hmac.Append(suiteId);
        hmac.Append(label);
        hmac.Append(input);
        hmac.Finish(key);
    }

    internal static void Expand(ReadOnlySpan<byte> suiteId, ReadOnlySpan<byte> key, ReadOnlySpan<byte> label, ReadOnlySpan<byte> info, Span<byte> output)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(output.Length, MaxLength);
        Span<byte> length = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)output.Length);
        Span<byte> block = stackalloc byte[HashSizeInBytes];
        scoped ReadOnlySpan<byte> previous = default;
        StackHmac hmac = default;
        for (int done = 0, count = 1; done < output.Length; done += HashSizeInBytes, count++)
        {
            hmac.Begin(key);
            hmac.Append(previous);
            hmac.Append(length);
            hmac.Append(Version);
            hmac.Append(suiteId);
            hmac.Append(label);
            hmac.Append(info);
            hmac.Append([(byte)count]);
            hmac.Finish(block);
            previous = block;
            int size = Math.Min(HashSizeInBytes, output.Length - done);
            block[..size].CopyTo(output[done..]);
        }

        CryptographicOperations.ZeroMemory(block);
    }
}
