namespace Tacit.Gateway.Sealing;

/// <summary>A sealing key, for the operator.</summary>
/// <param name="KeyId">By which requests name it.</param>
/// <param name="NotBefore">First moment at which it is used.</param>
/// <param name="NotAfter">First moment at which it is used no more.</param>
/// <param name="IsPublished">Whether clients are shown it: once the issuer's directory lists it, or at once where the gateway signs for itself.</param>
/// <param name="Evidence">The format of what attests it; null if nothing does.</param>
public sealed record SealingKeyLine(int KeyId, DateTimeOffset NotBefore, DateTimeOffset NotAfter, bool IsPublished, string? Evidence);

/// <summary>A gateway's own key and its sealing keys.</summary>
/// <param name="Gateway">Its name.</param>
/// <param name="Key">The Ed25519 key, base64url: for <c>Key</c> in the issuer's <c>Gateways</c>, or for clients to pin.</param>
/// <param name="SignedBy"><c>issuer</c> or <c>gateway</c>.</param>
/// <param name="Keys">Those whose private half is kept; none where the gateway does not run.</param>
/// <param name="Fault">Why keys could not be made or erased lately, or that the directory lists one that is not this gateway's; null if nothing is wrong.</param>
public sealed record SealingKeyReport(string Gateway, string Key, string SignedBy, IReadOnlyList<SealingKeyLine> Keys, string? Fault = null);
