using System.Text;

namespace Tacit.Inference;

/// <summary>
/// A provider's API key. HTTP headers are strings in this framework, so the key must become one; it does so once, here, and not
/// again for each request, which would scatter copies over the heap. The bytes it came from are the caller's to wipe.
/// </summary>
public sealed class ProviderKey
{
    private const int LongestInBytes = 4096;

    private readonly string _authorization;
    private readonly string _plain;

    /// <param name="key">The key, visible ASCII, 1 to 4,096 bytes. White space around it, such as a file's last newline, is cut off.</param>
    /// <exception cref="ArgumentException">The key cannot stand in a header. The message does not repeat it.</exception>
    public ProviderKey(ReadOnlySpan<byte> key)
    {
        key = key.Trim(" \t\r\n"u8);
        if (key.IsEmpty || key.Length > LongestInBytes || key.ContainsAnyExceptInRange((byte)0x21, (byte)0x7e))
        {
            throw new ArgumentException("A provider key is 1 to 4096 visible ASCII characters.", nameof(key));
        }

        _plain = Encoding.ASCII.GetString(key);
        _authorization = "Bearer " + _plain;
    }

    internal string Authorization => _authorization;

    /// <summary>The key alone, as Anthropic's <c>x-api-key</c> takes it.</summary>
    internal string Plain => _plain;

    /// <summary>Whether text that came from a provider holds this key, as some servers' error messages do.</summary>
    internal bool IsIn(string text) => text.Contains(_plain, StringComparison.Ordinal);

    /// <summary>Says nothing of the key.</summary>
    public override string ToString() => "[scrubbed]";
}
