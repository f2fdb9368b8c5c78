using Tacit.Protocol;

namespace Tacit.Gateway.Chains;

/// <summary>Of a gateway without an issuer: no token is good there, so nobody asks.</summary>
internal sealed class AbsentSigner : ISigner
{
    public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken) => new([]);

    public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken) => new(SignResponse.Refused(SignStatus.UnknownKey));
}
