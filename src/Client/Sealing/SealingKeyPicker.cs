using Tacit.Client.Evidence;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>Picks among keys that a directory key has signed. Pure, but for what a verifier of evidence does.</summary>
internal static class SealingKeyPicker
{
    public static SealingKeyChoice Pick(string gateway, IReadOnlyList<SignedSealingKey> keys, EvidenceJudge judge, DateTimeOffset now)
    {
        if (keys.Count == 0)
        {
            return SealingKeyChoice.None(SealingKeyProblem.NoKeys, $"The gateway {gateway} takes no sealed requests: nobody vouches for a key of it.");
        }
        if (SealingKeyList.FindBest(keys, now) is not { } current)
        {
            return SealingKeyChoice.None(
                SealingKeyProblem.NotCurrent,
                $"None of the sealing keys of {gateway} is for {now:yyyy-MM-dd HH:mm} UTC; they are for {keys[0].Key.NotBefore:yyyy-MM-dd HH:mm} to {keys[^1].Key.NotAfter:yyyy-MM-dd HH:mm}. "
                + "Is this machine's clock right? If so, the issuer has none newer to show.");
        }
        return judge.Judge(current.Key, now);
    }
}
