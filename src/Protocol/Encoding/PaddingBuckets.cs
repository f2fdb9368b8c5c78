namespace Tacit.Protocol;

/// <summary>
/// The sizes that sealed messages are padded to, in bytes of plaintext: 256, 1024, 4096, 16384, and from there on multiples of the largest. Whoever sees ciphertext
/// learns which of these a message fits in, and no more. The same for prompts and for replies.
/// </summary>
public static class PaddingBuckets
{
    public const int Smallest = 256;

    /// <summary>Also the most that one chunk carries, so that every receiver takes it (draft-ietf-ohai-chunked-ohttp).</summary>
    public const int Largest = 16 * 1024;

    private const int Step = 4;

    /// <summary>The smallest bucket that holds so many bytes.</summary>
    /// <param name="least">No bucket smaller than this.</param>
    public static int Round(int size, int least = Smallest)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        int bucket = Smallest;
        while (bucket < Largest && (bucket < size || bucket < least))
        {
            bucket *= Step;
        }

        return bucket >= size ? bucket : checked((size + Largest - 1) / Largest * Largest);
    }
}
