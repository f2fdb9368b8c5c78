using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Tacit.Issuer.Payments;

/// <summary>What a provider knows a checkout by: 128 random bits as 22 characters of base64url. It says nothing of the account.</summary>
internal static class PaymentReference
{
    private const int SizeInBytes = 16;

    public static byte[] Create() => RandomNumberGenerator.GetBytes(SizeInBytes);

    public static string Format(byte[] reference) => Base64Url.EncodeToString(reference);

    public static bool TryParse(string text, [NotNullWhen(true)] out byte[]? reference)
    {
        reference = new byte[SizeInBytes];
        if (text.Length == 22 && Base64Url.TryDecodeFromChars(text, reference, out int written) && written == SizeInBytes)
        {
            return true;
        }

        reference = null;
        return false;
    }
}
