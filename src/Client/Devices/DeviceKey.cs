using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// This device's Ed25519 key: whoever has it is the device. In <c>device.key</c> in the data folder, readable by its owner only. Requests that it signs are linkable to
/// each other; it has nothing to do with the wallet, and is never sent anywhere but its public half.
/// </summary>
public sealed class DeviceKey : IDisposable
{
    public const string FileName = "device.key";

    private readonly Ed25519PrivateKey _key;

    private DeviceKey(Ed25519PrivateKey key)
    {
        _key = key;
        Id = DeviceKeyId.Format(key.PublicKey.Export());
    }

    /// <summary>The public key in base64url, 43 characters: what an operator puts on a gateway's list.</summary>
    public string Id { get; }

    public static bool Exists(string dataDirectory) => File.Exists(PathIn(dataDirectory));

    /// <summary>Makes the key.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.DeviceExists"/>.</exception>
    public static DeviceKey Create(string dataDirectory)
    {
        if (Exists(dataDirectory))
        {
            throw new ClientException(ClientError.DeviceExists, $"There is a device key in {dataDirectory} already. `tacit device show` shows its public half.");
        }
        PrivateFiles.CreateFolder(dataDirectory);
        Ed25519PrivateKey key = Ed25519PrivateKey.Generate();
        byte[] seed = key.Export();
        try
        {
            PrivateFiles.Write(PathIn(dataDirectory), seed);
            return new DeviceKey(key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <exception cref="ClientException"><see cref="ClientError.DeviceMissing"/> or <see cref="ClientError.DeviceUnusable"/>.</exception>
    public static DeviceKey Load(string dataDirectory)
    {
        byte[] seed;
        try
        {
            seed = File.ReadAllBytes(PathIn(dataDirectory));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ClientException(ClientError.DeviceMissing, $"There is no device key in {dataDirectory} yet. Make one with `tacit device create`.");
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new ClientException(ClientError.DeviceUnusable, $"{PathIn(dataDirectory)} cannot be read: {e.Message} It has to be a file of the user who runs this.", inner: e);
        }
        try
        {
            return seed.Length == Ed25519PrivateKey.SizeInBytes
                ? new DeviceKey(Ed25519PrivateKey.Import(seed))
                : throw new ClientException(ClientError.DeviceUnusable, $"{PathIn(dataDirectory)} is no device key. Remove it, make another, and have the operator put that on the list.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <summary>A key for what a program keeps on this machine beside the device's. The caller disposes it.</summary>
    /// <param name="purpose">What it is for; each purpose has a key of its own.</param>
    public LocalKey DeriveLocalKey(string purpose)
    {
        byte[] seed = _key.Export();
        try
        {
            return LocalKey.Derive(seed, "device", purpose);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    public void Dispose() => _key.Dispose();

    internal DeviceSignature Sign(string path, ReadOnlySpan<byte> body, ReadOnlySpan<byte> nonce, DateTimeOffset now) =>
        DeviceSignature.Sign(_key, "POST", path, body, nonce, now);

    private static string PathIn(string dataDirectory) => Path.Combine(dataDirectory, FileName);
}
