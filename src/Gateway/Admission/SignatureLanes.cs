using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

/// <summary>A token that waits for its signature to be checked.</summary>
internal sealed class WaitingToken(RedemptionKey key, Token token, byte[]? salt, Presenter presenter)
    : TaskCompletionSource<SignatureVerdict>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public RedemptionKey Key => key;

    public Token Token => token;

    /// <summary>Null: can be checked by itself only.</summary>
    public byte[]? Salt => salt;

    public Presenter Presenter => presenter;

    /// <summary>Checks this token together with others of its key and kind; null where there is nothing to gain.</summary>
    public TokenBatchVerifier? Verifier => salt is null ? null : key.VerifierFor(presenter.IsProven);
}

/// <summary>Waiting tokens of one kind, one lane per connection, the lanes in turn. Not for several threads at once.</summary>
internal sealed class SignatureLanes(int capacity)
{
    private const int MaxPerLane = 16;

    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private readonly Queue<Lane> _turns = new();
    private readonly List<Lane> _served = [];
    private int _count;

    public bool IsEmpty => _count == 0;

    public bool TryAdd(WaitingToken item)
    {
        if (_count >= capacity)
        {
            return false;
        }

        if (!_lanes.TryGetValue(item.Presenter.Connection, out Lane? lane))
        {
            lane = new Lane(item.Presenter.Connection);
            _lanes.Add(lane.Connection, lane);
            _turns.Enqueue(lane);
        }
        else if (lane.Items.Count >= MaxPerLane)
        {
            return false;
        }

        lane.Items.Enqueue(item);
        _count++;
        return true;
    }

    /// <summary>The one whose turn it is. There must be one.</summary>
    public WaitingToken Take()
    {
        Lane lane = _turns.Dequeue();
        WaitingToken item = TakeFrom(lane);
        EndTurn(lane);
        return item;
    }

    /// <summary>Adds, in their turn, up to <paramref name="max"/> that may be checked together with the first; whoever is passed over keeps their turn.</summary>
    public void TakeWith(WaitingToken first, List<WaitingToken> items, int max)
    {
        bool any = true;
        while (any && items.Count < max)
        {
            any = false;
            for (int left = _turns.Count; left > 0; left--)
            {
                Lane lane = _turns.Dequeue();
                if (items.Count < max && lane.Items.TryPeek(out WaitingToken? item) && item.Salt is not null && ReferenceEquals(item.Key.PublicKey, first.Key.PublicKey))
                {
                    items.Add(TakeFrom(lane));
                    _served.Add(lane);
                    any = true;
                }
                else
                {
                    _turns.Enqueue(lane);
                }
            }

            _served.ForEach(EndTurn);
            _served.Clear();
        }
    }

    private WaitingToken TakeFrom(Lane lane)
    {
        _count--;
        return lane.Items.Dequeue();
    }

    private void EndTurn(Lane lane)
    {
        if (lane.Items.Count > 0)
        {
            _turns.Enqueue(lane);
        }
        else
        {
            _lanes.Remove(lane.Connection);
        }
    }

    private sealed class Lane(string connection)
    {
        public string Connection => connection;

        public Queue<WaitingToken> Items { get; } = new();
    }
}
