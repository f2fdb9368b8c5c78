using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Tacit.Crypto;
using Tacit.Gateway.Devices;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests.Support;

/// <summary>A device with a key of its own, which signs what it sends.</summary>
public sealed class TestDevice : IDisposable
{
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();

    public string Key => DeviceKeyId.Format(_key.PublicKey.Export());

    public byte[] PublicKey => _key.PublicKey.Export();

    public ListedDevice Listed => new() { Key = Key, Name = "laptop" };

    public static byte[] Nonce() => RandomNumberGenerator.GetBytes(DeviceSignature.NonceSizeInBytes);

    public DeviceSignature Sign(DateTimeOffset created, string body, byte[]? nonce = null, string path = Routes.ChatCompletions, string method = "POST") =>
        DeviceSignature.Sign(_key, method, path, Encoding.UTF8.GetBytes(body), nonce ?? Nonce(), created);

    public static Action<HttpRequestHeaders> Headers(DeviceSignature signature, string? work = null) => headers =>
    {
        headers.TryAddWithoutValidation(DeviceSignature.InputHeader, signature.InputValue);
        headers.TryAddWithoutValidation(DeviceSignature.SignatureHeader, signature.SignatureValue);
        headers.TryAddWithoutValidation(DeviceSignature.DigestHeader, signature.DigestValue);
        if (work is not null)
        {
            headers.TryAddWithoutValidation(Routes.WorkHeader, work);
        }
    };

    /// <summary>Signs and sends.</summary>
    public Task<HttpResponseMessage> AskAsync(
        TestGateway gateway, string? body = null, byte[]? nonce = null, DateTimeOffset? created = null, string path = Routes.ChatCompletions, string? work = null) =>
        gateway.SendAsync(
            HttpMethod.Post, path, body ?? TestGateway.Body(), headers: Headers(Sign(created ?? gateway.Time.GetUtcNow(), body ?? TestGateway.Body(), nonce, path), work));

    public void Dispose() => _key.Dispose();
}
