namespace Tacit.Crypto;

/// <summary>A signature with the salt it is said to be made with, to be checked together with others.</summary>
/// <param name="PreparedMessage">The message as it was blinded.</param>
/// <param name="Signature">Any length; only that of the modulus can be right.</param>
/// <param name="Salt">Any length; a wrong one makes no signature wrong, only dearer to check.</param>
public readonly record struct SaltedSignature(ReadOnlyMemory<byte> PreparedMessage, ReadOnlyMemory<byte> Signature, ReadOnlyMemory<byte> Salt)
{
    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[scrubbed]";
}

/// <summary>What became of one signature of a batch.</summary>
public enum BatchVerdict
{
    Invalid,

    Valid,

    /// <summary>Valid, but made with another salt than the one beside it.</summary>
    ValidWithOtherSalt,
}
