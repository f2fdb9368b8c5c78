using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Primitives;
using Tacit.Hosting;

namespace Tacit.Issuer.Payments.Providers;

/// <summary>
/// The signature scheme that Stripe and Paddle share but for its punctuation: HMAC-SHA-256 under the endpoint's secret over a timestamp and the raw body,
/// in a header that may carry several signatures while the secret is being rolled.
/// <list type="bullet">
/// <item>Stripe-Signature: <c>t=…,v1=…[,v1=…]</c> over <c>t.body</c> (docs.stripe.com/webhooks, "Verify webhook signatures manually").</item>
/// <item>Paddle-Signature: <c>ts=…;h1=…[;h1=…]</c> over <c>ts:body</c> (developer.paddle.com/webhooks, "Signature verification").</item>
/// </list>
/// </summary>
internal sealed class WebhookSignature : IDisposable
{
    // Two while a secret is rolled; more are no rolling.
    private const int MaxSignatures = 4;
    private const int MaxHeaderLength = 1024;

    private readonly SecretBytes _secret;
    private readonly TimeSpan _tolerance;
    private readonly char _separator;
    private readonly string _timeName;
    private readonly string _signatureName;
    private readonly char _joint;

    private WebhookSignature(SecretBytes secret, TimeSpan tolerance, char separator, string timeName, string signatureName, char joint)
    {
        _secret = secret;
        _tolerance = tolerance;
        _separator = separator;
        _timeName = timeName;
        _signatureName = signatureName;
        _joint = joint;
    }

    public static WebhookSignature Stripe(SecretBytes secret, TimeSpan tolerance) => new(secret, tolerance, ',', "t", "v1", '.');

    public static WebhookSignature Paddle(SecretBytes secret, TimeSpan tolerance) => new(secret, tolerance, ';', "ts", "h1", ':');

    public bool Verify(StringValues header, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        if (header.Count != 1 || header[0] is not { Length: > 0 and <= MaxHeaderLength } text)
        {
            return false;
        }

        string? time = null;
        var signatures = new List<byte[]>(MaxSignatures);
        foreach (Range range in text.AsSpan().Split(_separator))
        {
            ReadOnlySpan<char> part = text.AsSpan(range).Trim();
            int equals = part.IndexOf('=');
            if (equals < 0)
            {
                return false;
            }

            ReadOnlySpan<char> name = part[..equals];
            ReadOnlySpan<char> value = part[(equals + 1)..];
            if (name.SequenceEqual(_timeName))
            {
                if (time is not null)
                {
                    return false;
                }

                time = value.ToString();
            }
            else if (name.SequenceEqual(_signatureName))
            {
                byte[] signature = new byte[SHA256.HashSizeInBytes];
                if (value.Length != 2 * signature.Length
                    || Convert.FromHexString(value, signature, out _, out _) != System.Buffers.OperationStatus.Done
                    || signatures.Count == MaxSignatures)
                {
                    return false;
                }

                signatures.Add(signature);
            }

            // Other names are other schemes (Stripe's v0 in test events): not ours to judge.
        }

        if (time is null || signatures.Count == 0 || !IsRecent(time, now))
        {
            return false;
        }

        Span<byte> expected = stackalloc byte[SHA256.HashSizeInBytes];
        using (var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _secret.Span))
        {
            hmac.AppendData(Encoding.ASCII.GetBytes(time + _joint));
            hmac.AppendData(body);
            hmac.GetHashAndReset(expected);
        }

        bool isValid = false;
        foreach (byte[] signature in signatures)
        {
            isValid |= CryptographicOperations.FixedTimeEquals(signature, expected);
        }

        return isValid;
    }

    public void Dispose() => _secret.Dispose();

    private bool IsRecent(string time, DateTimeOffset now) =>
        long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
        && seconds < 1L << 40
        && (now - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() <= _tolerance;
}
