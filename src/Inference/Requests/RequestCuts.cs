using System.Buffers;

namespace Tacit.Inference;

/// <summary>
/// Where removed members lie inside the values that are kept, in the body's order. Nothing is rented before the first one: most requests have none. Holds no
/// text, so there is nothing to wipe.
/// </summary>
internal struct RequestCuts : IDisposable
{
    private (int Start, int End)[]? _places;
    private int _count;
    private int _next;

    public void Add(int start, int end)
    {
        _places ??= ArrayPool<(int, int)>.Shared.Rent(16);
        if (_count == _places.Length)
        {
            (int, int)[] grown = ArrayPool<(int, int)>.Shared.Rent(2 * _count);
            _places.CopyTo(grown, 0);
            ArrayPool<(int, int)>.Shared.Return(_places);
            _places = grown;
        }

        _places[_count++] = (start, end);
    }

    /// <summary>The next cut that has not been taken and begins before <paramref name="before"/>.</summary>
    public bool TryNext(int before, out (int Start, int End) cut)
    {
        bool found = _next < _count && _places![_next].Start < before;
        cut = found ? _places![_next++] : default;
        return found;
    }

    public void Dispose()
    {
        if (_places is not null)
        {
            ArrayPool<(int, int)>.Shared.Return(_places);
            _places = null;
        }
    }
}
