namespace Tacit.Crypto;

/// <summary>How a blind signature ended. Unless it is <see cref="Success"/>, the destination holds zeros.</summary>
public enum BlindSignStatus
{
    Success,

    /// <summary>Not exactly as long as the modulus, not between 0 and n, or sharing a factor with n.</summary>
    InvalidInput,

    /// <summary>
    /// The result was wrong, and wrong again when repeated: this machine computes wrongly or its memory is damaged. It was withheld; a
    /// wrong signature can give the key away.
    /// </summary>
    FaultDetected,
}
