using Tacit.Client.Evidence;
using Tacit.Protocol;

namespace Tacit.Client;

public sealed partial class DirectoryClient : ISealingKeySource
{
    /// <summary>
    /// The key to seal requests to that gateway with, now: from the directory as it is believed, compared over all copies like every other key. One whose time has come is
    /// in the stored directory already, as the next key is listed a day ahead; a newer directory is fetched where it is not.
    /// </summary>
    async Task<SealingKeyChoice> ISealingKeySource.FindSealingKeyAsync(string gateway, CancellationToken cancellationToken)
    {
        IssuerDirectory directory = await CurrentAsync(
            known => SealingKeyList.FindCurrent(known.FindSealingKeys(gateway), _time.GetUtcNow()) is not null, cancellationToken);
        return directory.Gateways.Any(entry => string.Equals(entry.Name, gateway, StringComparison.OrdinalIgnoreCase))
            ? SealingKeyPicker.Pick(gateway, directory.FindSealingKeys(gateway), _judge, _time.GetUtcNow())
            : SealingKeyChoice.None(SealingKeyProblem.GatewayUnknown, $"The directory of {directory.IssuerName} lists no gateway {gateway}.");
    }

    private IReadOnlyList<SealingKeySummary> SummariseKeys(IssuerDirectory directory, string gateway)
    {
        DateTimeOffset now = _time.GetUtcNow();
        return
        [
            .. directory.FindSealingKeys(gateway).Where(entry => now < entry.Key.NotAfter).Select(entry => new SealingKeySummary(
                entry.Key.KeyId, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(entry.Key.Config)), entry.Key.NotBefore, entry.Key.NotAfter,
                entry.Key.Evidence?.Format, _judge.Judge(entry.Key, now).Says)),
        ];
    }
}
