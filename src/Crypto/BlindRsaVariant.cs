using System.Security.Cryptography;

namespace Tacit.Crypto;

/// <summary>One of the four RSABSSA variants of RFC 9474 §5. All use SHA-384 and MGF1 with SHA-384.</summary>
public sealed class BlindRsaVariant
{
    private const int PrefixSizeInBytes = 32;

    private BlindRsaVariant(string name, int saltSizeInBytes, bool isRandomized)
    {
        Name = name;
        SaltSizeInBytes = saltSizeInBytes;
        IsRandomized = isRandomized;
    }

    /// <summary>RSABSSA-SHA384-PSS-Randomized: random prefix, 48-byte salt.</summary>
    public static BlindRsaVariant RandomizedPss { get; } = new("RSABSSA-SHA384-PSS-Randomized", 48, isRandomized: true);

    /// <summary>RSABSSA-SHA384-PSSZERO-Randomized: random prefix, no salt.</summary>
    public static BlindRsaVariant RandomizedPssZero { get; } = new("RSABSSA-SHA384-PSSZERO-Randomized", 0, isRandomized: true);

    /// <summary>RSABSSA-SHA384-PSS-Deterministic: message as it is, 48-byte salt. The one Privacy Pass uses (RFC 9578 §6).</summary>
    public static BlindRsaVariant DeterministicPss { get; } = new("RSABSSA-SHA384-PSS-Deterministic", 48, isRandomized: false);

    /// <summary>
    /// RSABSSA-SHA384-PSSZERO-Deterministic: message as it is, no salt. Only for messages with enough entropy of their own: a malicious
    /// signer learns more of the others (RFC 9474 §7.3).
    /// </summary>
    public static BlindRsaVariant DeterministicPssZero { get; } = new("RSABSSA-SHA384-PSSZERO-Deterministic", 0, isRandomized: false);

    public string Name { get; }

    public int SaltSizeInBytes { get; }

    /// <summary>Whether <see cref="Prepare"/> puts 32 random bytes before the message.</summary>
    public bool IsRandomized { get; }

    /// <summary>The message in the form that is blinded, signed and verified (RFC 9474 §4.1).</summary>
    public byte[] Prepare(ReadOnlySpan<byte> message)
    {
        if (!IsRandomized)
        {
            return message.ToArray();
        }

        byte[] prepared = new byte[PrefixSizeInBytes + message.Length];
        RandomNumberGenerator.Fill(prepared.AsSpan(0, PrefixSizeInBytes));
        message.CopyTo(prepared.AsSpan(PrefixSizeInBytes));
        return prepared;
    }

    public override string ToString() => Name;
}
