using Tacit.Protocol;

namespace Tacit.Gateway.Chains;

internal enum RenewalStatus
{
    Signed,

    /// <summary>The signer is away, busy or limits the plan's rate: the same renewal can be asked for later.</summary>
    Later,

    /// <summary>Nobody can sign this successor, ever.</summary>
    Impossible,

    /// <summary>The period is over, and so is the chain.</summary>
    Over,
}

internal readonly record struct Renewal(RenewalStatus Status, byte[]? BlindSignature = null);

/// <summary>Has the signer sign the successor that a spend row binds. The signer is sent the blinded message and the plan, and learns that some chain moved.</summary>
internal sealed class ChainRenewer
{
    /// <summary>How long a reader may be kept waiting for the trailer behind its reply; the exchange gives it later.</summary>
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    private readonly ISigner _signer;
    private readonly ChainTotals _totals;
    private readonly TimeProvider _time;

    public ChainRenewer(ISigner signer, ChainTotals totals, TimeProvider time)
    {
        _signer = signer;
        _totals = totals;
        _time = time;
    }

    /// <summary>The chain ends with its period: a next token could buy nothing.</summary>
    public bool IsOver(ChainLink link) => _time.GetUtcNow() >= link.Key.Deadline;

    /// <summary>Only for a link that a durable row binds. Throws nothing.</summary>
    public async Task<Renewal> RenewAsync(ChainLink link)
    {
        if (IsOver(link))
        {
            return new Renewal(RenewalStatus.Over);
        }

        Renewal renewal = await SignAsync(link);
        if (renewal.Status == RenewalStatus.Signed)
        {
            _totals.CountRenewed(link);
        }
        else
        {
            _totals.CountNotRenewed();
        }

        return renewal;
    }

    /// <summary>As <see cref="RenewAsync"/>, once more: the signer may have signed, and counted, what it was asked before, so this is counted before it is asked.</summary>
    public async Task<Renewal> RenewAgainAsync(ChainLink link) =>
        IsOver(link) ? new Renewal(RenewalStatus.Over) : await _totals.TryCountRepeatedAsync(link) ? await RenewAsync(link) : new Renewal(RenewalStatus.Later);

    private async Task<Renewal> SignAsync(ChainLink link)
    {
        using var timeout = new CancellationTokenSource(s_timeout, _time);
        try
        {
            SignResponse answer = await _signer.SignAsync(
                new SignRequest
                {
                    TokenKeyId = link.Key.TokenKeyId.ToArray(),
                    Extensions = link.Key.Extensions.IsEmpty ? null : link.Key.Extensions.ToArray(),
                    BlindedMessages = [link.Successor.BlindedMessage],
                    Purpose = SigningPurpose.Renewal,
                },
                timeout.Token).AsTask().WaitAsync(timeout.Token);
            return answer switch
            {
                { Status: SignStatus.Success, BlindSignatures: [{ } signature] } => new Renewal(RenewalStatus.Signed, signature),
                { Status: SignStatus.InvalidBlindedMessage or SignStatus.Malformed } => new Renewal(RenewalStatus.Impossible),
                _ => new Renewal(RenewalStatus.Later),
            };
        }
#pragma warning disable CA1031 // The signer may be in this process; whatever it throws, the row binds the successor and the same can be asked for later.
        catch (Exception)
#pragma warning restore CA1031
        {
            return new Renewal(RenewalStatus.Later);
        }
    }
}
