using System.Diagnostics.CodeAnalysis;
using Tacit.Gateway.Admission;

namespace Tacit.Gateway.Pseudonyms;

/// <summary>
/// Pseudonyms whose signature was checked lately, by the hash of the whole token, with what they are called. Bounded: two halves, of which the older goes when the
/// newer is full.
/// </summary>
internal sealed class VerifiedPseudonyms
{
    private const int HalfCapacity = 16 * 1024;

    private readonly Lock _gate = new();
    private Dictionary<SpendId, string> _newer = [];
    private Dictionary<SpendId, string> _older = [];

    public bool TryGet(SpendId hash, [NotNullWhen(true)] out string? id)
    {
        lock (_gate)
        {
            if (_newer.TryGetValue(hash, out id))
            {
                return true;
            }

            if (!_older.TryGetValue(hash, out id))
            {
                return false;
            }

            AddLocked(hash, id);
            return true;
        }
    }

    public void Add(SpendId hash, string id)
    {
        lock (_gate)
        {
            AddLocked(hash, id);
        }
    }

    private void AddLocked(SpendId hash, string id)
    {
        if (_newer.Count >= HalfCapacity)
        {
            (_older, _newer) = (_newer, []);
        }

        _newer[hash] = id;
    }
}
