using Tacit.EndToEnd.TorNetwork;
using Tacit.Protocol;

namespace Tacit.Bench.Tor;

/// <summary>Tokens for whoever asks the gateway without a wallet, signed by the signer of this run.</summary>
internal static class Mint
{
    private const int BatchSize = 100;

    /// <returns>Values of the header <c>Authorization</c>.</returns>
    internal static Task<Queue<string>> MakeAsync(OnionSystem system, int count, CancellationToken cancellationToken) =>
        MakeAsync(system.Signer, OnionSystem.Plan, OnionSystem.IssuerName, OnionSystem.GatewayName, count, cancellationToken);

    /// <inheritdoc cref="MakeAsync(OnionSystem, int, CancellationToken)"/>
    internal static async Task<Queue<string>> MakeAsync(ISigner signer, string planId, string issuer, string gateway, int count, CancellationToken cancellationToken)
    {
        SignerKey key = (await signer.GetKeysAsync(cancellationToken)).First(key => key.Plans.Any(plan => plan.PlanId == planId && plan.IsLiveAt(TimeProvider.System.GetUtcNow())));
        if (!TokenPublicKey.TryImport(key.Type, key.SubjectPublicKeyInfo, null, out TokenPublicKey? found))
        {
            throw new InvalidOperationException("The signer's key cannot be read.");
        }

        using TokenPublicKey imported = found;
        byte[] digest = TokenChallenge.ForGateway(key.Type, issuer, gateway).Digest();
        Queue<string> headers = [];
        while (headers.Count < count)
        {
            TokenIssuance[] issuances = [.. Enumerable.Range(0, BatchSize).Select(_ => Begin(imported, digest))];
            SignResponse signed = await signer.SignAsync(
                new SignRequest { TokenKeyId = key.TokenKeyId, BlindedMessages = [.. issuances.Select(issuance => issuance.Request.BlindedMessage)] }, cancellationToken);
            for (int i = 0; i < BatchSize; i++)
            {
                using TokenIssuance issuance = issuances[i];
                headers.Enqueue(
                    issuance.TryFinalize(signed.BlindSignatures[i], out Token? token)
                        ? PrivateTokenHeader.FormatAuthorization(token.Encoded.Span, [])
                        : throw new InvalidOperationException("A token could not be made."));
            }
        }

        return headers;
    }

    private static TokenIssuance Begin(TokenPublicKey key, byte[] digest)
    {
        using TokenSecrets secrets = TokenSecrets.CreateRandom();
        return TokenIssuance.Begin(key, digest, secrets);
    }
}
