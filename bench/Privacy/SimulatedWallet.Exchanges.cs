using Tacit.Client.Policy;

namespace Tacit.Bench.Privacy;

/// <summary>As <c>TokenExchanger</c> exchanges.</summary>
internal sealed partial class SimulatedWallet
{
    private void ExchangeLook(long at)
    {
        _nextExchange = Never;
        int newest = _world.Newest(at);
        DateTimeOffset now = World.Time(at);
        for (int key = 0; key < newest; key++)
        {
            if (_world.GraceEnds[key] <= at || !WalletPolicy.IsWorthExchanging(_world.Ends[key], isShown: false, _world.Ends[newest].Deadline))
            {
                continue;
            }
            for (int plan = World.Chat; plan <= World.Large; plan++)
            {
                if (_held[plan, key] > 0)
                {
                    Exchange(at, plan, key, newest, _policy.CountExchangesDue(_held[plan, key], _world.Ends[key], now));
                }
                ref (int Good, int Spent) restored = ref _restored[plan, key];
                if (restored == default)
                {
                    continue;
                }
                int good = _policy.CountExchangesDue(restored.Good, _world.Ends[key], now);
                restored.Spent -= _policy.CountExchangesDue(restored.Spent, _world.Ends[key], now);
                restored.Good -= good;
                _restored[plan, newest].Good += good;
                Note(at, plan, key);
                Note(at, plan, newest);
            }
        }
        for (int i = _returned.Count - 1; i >= 0; i--)
        {
            (int plan, int key, int talk, long touched) = _returned[i];
            if (_world.GraceEnds[key] <= at)
            {
                Usability.Lost++;
                _returned.RemoveAt(i);
            }
            else if (_policy.IsExchangeDue(_world.Ends[key], isShown: true, at - touched < ConversationLives, forPrompt: false, now))
            {
                TakeBack(i, at, newest);
            }
        }
    }

    private bool ExchangeForPrompt(long at, int plan)
    {
        int newest = _world.Newest(at);
        DateTimeOffset now = World.Time(at);
        int shown = _returned.FindIndex(entry => entry.Plan == plan && _world.GraceEnds[entry.Key] > at
            && _policy.IsExchangeDue(_world.Ends[entry.Key], isShown: true, at - entry.Touched < ConversationLives, forPrompt: true, now));
        if (shown >= 0)
        {
            TakeBack(shown, at, newest);
            return true;
        }
        for (int key = 0; key < newest; key++)
        {
            if (_held[plan, key] > 0 && _world.GraceEnds[key] > at && _policy.IsExchangeDue(_world.Ends[key], isShown: false, isLive: false, forPrompt: true, now))
            {
                Exchange(at, plan, key, newest, 1);
                return true;
            }
        }
        return false;
    }

    private void Exchange(long at, int plan, int key, int newest, int count)
    {
        if (count > 0)
        {
            _held[plan, key] -= count;
            _held[plan, newest] += count;
            Usability.Exchanged += count;
            Note(at, plan, key);
            Note(at, plan, newest);
        }
    }

    private void TakeBack(int returned, long at, int newest)
    {
        (int plan, _, int talk, _) = _returned[returned];
        _returned.RemoveAt(returned);
        _talks[talk].ExchangedAt = at;
        _held[plan, newest]++;
        _total[plan]++;
        Usability.Exchanged++;
        Note(at, plan, newest);
    }

    /// <summary>Looks for exchanges that find nothing leave no trace, and their waits have no memory: they begin when there may be something.</summary>
    private void WakeExchanges(long at)
    {
        long from = Never;
        for (int i = 0; i < _returned.Count; i++)
        {
            from = Math.Min(from, _returned[i].Touched + ConversationLives);
        }
        for (int key = 0; key < _world.Keys && from > at; key++)
        {
            bool any = _held[0, key] + _held[1, key] > 0 || _restored[0, key] != default || _restored[1, key] != default;
            if (any && _world.GraceEnds[key] > at)
            {
                from = Math.Min(from, World.Seconds(_world.Ends[key].Deadline - _world.Ends[key].Ahead));
            }
        }
        if (from == Never)
        {
            _nextExchange = Never;
        }
        else if (_nextExchange == Never || (from > at && _nextExchange > from))
        {
            _nextExchange = Math.Max(at, from) + Math.Max(1, Whole(_policy.NextExchangeLook()));
        }
    }
}
