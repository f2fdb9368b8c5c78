using Microsoft.Extensions.Logging;
using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>The keys of pseudonyms: separate from every plan's, one a gateway, kind and epoch, and a permanent one for ever.</summary>
internal sealed partial class KeyRotation
{
    // A permanent key outlives its policy: made anew, it would give every account a second pseudonym.
    private static readonly DateTimeOffset s_forEver = DateTimeOffset.FromUnixTimeSeconds(221845392000);

    private readonly List<PseudonymUse> _pseudonyms = [];

    private async Task MakePseudonymKeysAsync(DateTimeOffset now)
    {
        foreach (PseudonymOffer offer in _offers)
        {
            foreach (PseudonymKind kind in offer.Kinds)
            {
                foreach (Period? epoch in KeySchedule.NeededEpochs(offer, kind, now))
                {
                    while (!_pseudonyms.Exists(use => use.Key.Gateway == offer.Gateway && use.Key.Kind == kind && use.Key.Epoch == epoch))
                    {
                        await MakePseudonymKeyAsync(offer.Gateway, kind, epoch, now);
                    }
                }
            }
        }
    }

    private async Task MakePseudonymKeyAsync(string gateway, PseudonymKind kind, Period? epoch, DateTimeOffset now)
    {
        SigningKey key = await Task.Run(() => MakeBlindRsaKey(epoch?.Start ?? now, epoch?.Deadline ?? s_forEver));
        var use = new PseudonymKey
        {
            Gateway = gateway,
            Kind = kind,
            TokenKeyId = key.Stored.KeyId,
            Epoch = epoch,
            NotBefore = epoch?.IssueFrom ?? DateTimeOffset.FromUnixTimeSeconds(now.ToUnixTimeSeconds()),
        };
        if (!await TryKeepAsync(key, _store.AddPseudonymKeyAsync(key.Stored, use)))
        {
            return;
        }

        _pseudonyms.Add(new PseudonymUse(use));
        LogNewPseudonymKey(_log, gateway, kind);
    }

    /// <summary>What is over goes a day after it was found to be, as with plans.</summary>
    private async Task RetirePseudonymsAsync(DateTimeOffset now)
    {
        foreach (PseudonymUse use in _pseudonyms.ToList())
        {
            bool isOver = use.Key.Deadline <= now;
            if (isOver && use.OverSince is DateTimeOffset since && since + KeySchedule.RemovalDelay <= now)
            {
                await _store.RemovePseudonymAsync(use);
                _pseudonyms.Remove(use);
            }
            else if (isOver != use.OverSince is not null)
            {
                PseudonymUse noted = use with { OverSince = isOver ? now : null };
                await _store.SetOverSinceAsync(noted);
                _pseudonyms[_pseudonyms.IndexOf(use)] = noted;
            }
        }
    }

    private IEnumerable<KeyRingPseudonym> RingPseudonyms() => _pseudonyms.Select(use => new KeyRingPseudonym(
        use.Key, _keys[use.Key.TokenKeyId],
        _offers.Any(offer => offer.Gateway == use.Key.Gateway && offer.Kinds.Contains(use.Key.Kind) && (use.Key.Epoch is not { } epoch || epoch.Kind == offer.Period))));

    [LoggerMessage(Level = LogLevel.Information, Message = "Gateway {Gateway} has a key for pseudonyms ({Kind}).")]
    private static partial void LogNewPseudonymKey(ILogger logger, string gateway, PseudonymKind kind);
}
