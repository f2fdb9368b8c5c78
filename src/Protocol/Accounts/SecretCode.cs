using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Tacit.Protocol;

/// <summary>
/// 128 secret bits that a person may have to write down: see <see cref="AccountKey"/>, <see cref="VoucherCode"/>, <see cref="WalletSeed"/>.
/// Compared in constant time; wiped on dispose.
/// </summary>
public abstract class SecretCode : IDisposable
{
    /// <summary>16.</summary>
    public const int SizeInBytes = Base32Code.SizeInBytes;

    /// <summary>32, the size of <see cref="Hash"/>.</summary>
    public const int HashSizeInBytes = SHA256.HashSizeInBytes;

    private readonly byte[] _bytes;
    private bool _disposed;

    private protected SecretCode(byte[] bytes) => _bytes = bytes;

    /// <summary>The 16 bytes themselves. Read only; gone after dispose.</summary>
    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _bytes;
        }
    }

    private protected abstract ReadOnlySpan<byte> HashLabel { get; }

    /// <summary>
    /// SHA-256 over a label of the kind of code and its 16 bytes: what a server stores in its place. 128 random bits need no slow hash.
    /// </summary>
    public byte[] Hash()
    {
        ReadOnlySpan<byte> label = HashLabel;
        Span<byte> input = stackalloc byte[64];
        label.CopyTo(input);
        Bytes.CopyTo(input[label.Length..]);
        byte[] hash = SHA256.HashData(input[..(label.Length + SizeInBytes)]);
        CryptographicOperations.ZeroMemory(input);
        return hash;
    }

    /// <summary>The text to show once: 27 symbols in groups of four. Secret.</summary>
    public override string ToString() => Base32Code.Encode(Bytes);

    public override bool Equals(object? obj) =>
        obj is SecretCode other && other.GetType() == GetType() && CryptographicOperations.FixedTimeEquals(Bytes, other.Bytes);

    public override int GetHashCode() => BitConverter.ToInt32(Hash());

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_bytes);
        _disposed = true;
        GC.SuppressFinalize(this);
    }

    private protected static byte[] CreateBytes()
    {
        byte[] bytes = new byte[SizeInBytes];
        do
        {
            RandomNumberGenerator.Fill(bytes);
        }
        while (!Base32Code.IsPlain(bytes));

        return bytes;
    }

    private protected static byte[]? Decode(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[SizeInBytes];
        return Base32Code.TryDecode(text, bytes) ? bytes : null;
    }
}

/// <summary>The one thing that identifies an account at the issuer, which keeps only <see cref="SecretCode.Hash"/>.</summary>
public sealed class AccountKey : SecretCode
{
    private AccountKey(byte[] bytes)
        : base(bytes)
    {
    }

    private protected override ReadOnlySpan<byte> HashLabel => "tacit account key 1"u8;

    public static AccountKey Create() => new(CreateBytes());

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out AccountKey? key)
    {
        byte[]? bytes = Decode(text);
        key = bytes is null ? null : new AccountKey(bytes);
        return key is not null;
    }
}

/// <summary>A code that adds credits to an account once.</summary>
public sealed class VoucherCode : SecretCode
{
    private VoucherCode(byte[] bytes)
        : base(bytes)
    {
    }

    private protected override ReadOnlySpan<byte> HashLabel => "tacit voucher code 1"u8;

    public static VoucherCode Create() => new(CreateBytes());

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out VoucherCode? code)
    {
        byte[]? bytes = Decode(text);
        code = bytes is null ? null : new VoucherCode(bytes);
        return code is not null;
    }
}

/// <summary>The seed of one device's wallet; all its recoverable randomness comes from it.</summary>
public sealed class WalletSeed : SecretCode
{
    private WalletSeed(byte[] bytes)
        : base(bytes)
    {
    }

    private protected override ReadOnlySpan<byte> HashLabel => "tacit wallet seed 1"u8;

    public static WalletSeed Create() => new(CreateBytes());

    /// <summary>Takes a copy of 16 stored bytes.</summary>
    public static WalletSeed Import(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != SizeInBytes)
        {
            throw new ArgumentException("A wallet seed has 16 bytes.", nameof(bytes));
        }

        return new WalletSeed(bytes.ToArray());
    }

    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out WalletSeed? seed)
    {
        byte[]? bytes = Decode(text);
        seed = bytes is null ? null : new WalletSeed(bytes);
        return seed is not null;
    }
}
