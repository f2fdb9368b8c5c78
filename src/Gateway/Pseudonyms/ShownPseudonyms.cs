using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Pseudonyms;

/// <summary>A pseudonym that passed every check that costs nothing.</summary>
internal sealed record ShownPseudonym(Token Token, PseudonymKey Key, RedemptionKey Check)
{
    /// <summary>What it is called, once its signature was found to be right; a rotated one is called what the one before it was.</summary>
    public string? Id { get; set; }
}

/// <summary>The pseudonyms that came with one request, on their way through it.</summary>
internal sealed class ShownPseudonyms(PseudonymGate gate, IReadOnlyList<ShownPseudonym> all) : IRequestQuota
{
    private QuotaTaken? _taken;

    public IReadOnlyList<ShownPseudonym> All => all;

    public IReadOnlyList<string> Ids => [.. all.Select(pseudonym => pseudonym.Id).OfType<string>()];

    /// <summary>Limits count by this one: the transient where there is one, since its counters go with its epoch.</summary>
    private string Counted => (all.FirstOrDefault(pseudonym => pseudonym.Key.Kind != PseudonymKind.Permanent) ?? all[0]).Id!;

    /// <summary>Signatures, replacements, bans; null if the request may go on.</summary>
    public ValueTask<ApiError?> AdmitAsync(Presenter presenter) => gate.AdmitAsync(this, presenter);

    /// <summary>Counts the request, once; null if it is within its limits.</summary>
    public async ValueTask<ApiError?> CountAsync()
    {
        if (_taken is not null)
        {
            return null;
        }

        (QuotaTaken taken, ApiError? error) = await gate.CountAsync(Counted);
        _taken = error is null ? taken : null;
        return error;
    }

    /// <summary>The request asked no provider.</summary>
    public void GiveBack()
    {
        if (_taken is { } taken)
        {
            gate.GiveBack(Counted, taken);
            _taken = null;
        }
    }

    public bool CountsTokens => false;

    /// <summary>Nothing here is counted by what a reply cost.</summary>
    public void End(long outputTokens)
    {
    }

    /// <summary>Moderation refused the prompt: what an operator learns whom to ban by.</summary>
    public Task CountRefusalAsync() => gate.CountRefusalAsync(Ids);
}
