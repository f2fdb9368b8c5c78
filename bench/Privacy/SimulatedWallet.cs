using Tacit.Client;
using Tacit.Client.Policy;

namespace Tacit.Bench.Privacy;

/// <summary>
/// One person's wallet through the year. All it decides comes from <see cref="WalletPolicy"/>, the class that the real wallet runs; here are only its tokens,
/// counted by key, and the order of events that <c>RefillService</c>, <c>TokenExchanger</c> and <c>RedemptionClient</c> go through.
/// </summary>
internal sealed partial class SimulatedWallet
{
    private const long Never = long.MaxValue;
    private const int ConversationLives = 1800;
    private const int DeadlineMargin = 60;
    private const double FailureRate = 0.01;
    private const int TriesPerPrompt = 4;

    private readonly World _world;
    private readonly Person _person;
    private readonly WalletPolicy _policy;
    private readonly Draws _draws;
    private readonly Account _account;
    private readonly int[,] _held;
    private readonly long[] _total = new long[World.Plans];
    private readonly int[,] _bought;
    private readonly (int Good, int Spent)[,] _restored;
    private readonly bool[,] _logged;
    private readonly List<(int Plan, int Key, int Talk, long Touched)> _returned = [];
    private readonly List<(long, int)> _choice = [];
    private readonly Seen[] _talks;
    private readonly int[][] _spentUntil = [new int[400 + 100], new int[400 + 100], new int[400 + 100]];
    private readonly long[] _firstBought = [Never, Never, Never];
    private int _day;
    private int _expired;
    private int _running;
    private readonly int[] _kept;
    private long _renewAt = Never;
    private long _nextLook;
    private long _nextExchange = Never;

    public SimulatedWallet(World world, Person person, FillOptions options, bool fillAtPrompt, ulong seed)
    {
        _world = world;
        _person = person;
        _draws = new Draws(seed ^ 0xABCDEF, (ulong)person.Id);
        _policy = new WalletPolicy(options, fillAtPrompt, _draws.Fraction);
        _account = new Account(person.Id, person.Zone, person.Joined, world.Keys) { Until = world.End };
        _held = new int[World.Plans, world.Keys];
        _bought = new int[World.Plans, world.Keys];
        _restored = new (int, int)[World.Plans, world.Keys];
        _logged = new bool[World.Plans, world.Keys];
        _talks = new Seen[person.Talks.Count];
        _kept = [.. _policy.KeptPlans(World.Offer, person.IsSubscriber ? [World.Offer[World.Subscription].Id] : null).Select(id => Array.FindIndex(World.Offer, plan => plan.Id == id))];
    }

    private Usability Usability => _account.Usability;

    /// <summary>Lives through the year.</summary>
    /// <param name="sample">How many conversations to keep of each key.</param>
    public Account Run(int sample)
    {
        long begins = _person.Running.Count > 0 ? _person.Running[0].From : _person.Joined;
        _nextLook = World.Seconds(_policy.FirstLook(World.Time(begins), null));
        bool restored = false;
        if (_person.Talks.Count > 0)
        {
            // Who joins makes the account, pays and fills the wallet, all by hand.
            int plan = _person.Talks[0].Plan;
            Turn(_person.Joined);
            Buy(_person.Joined, plan, plan == World.Subscription ? 1 : _policy.PurchaseAtPrompt(Stock(plan)));
        }
        foreach ((long at, int talk) in _person.Prompts)
        {
            if (!restored && at >= _person.RestoresAt)
            {
                Advance(_person.RestoresAt);
                Restore(_person.RestoresAt);
                restored = true;
            }
            Advance(at);
            Prompt(at, talk);
        }
        Advance(Math.Min(_world.End, _person.Leaves));
        Expire(_world.End);
        Keep(sample);
        return _account;
    }

    /// <summary>Looks and exchanges that come before a time, while the machine runs.</summary>
    private void Advance(long to)
    {
        while (Math.Min(_nextLook, _nextExchange) is long at && at <= to)
        {
            bool isLook = at == _nextLook;
            while (_running < _person.Running.Count && _person.Running[_running].To < at)
            {
                _running++;
            }
            if (_running == _person.Running.Count)
            {
                _nextLook = _nextExchange = Never;
                return;
            }
            long on = _person.Running[_running].From;
            if (on > at)
            {
                // It was off. The schedule that was stored is overdue when it starts; that of the exchanges is not stored.
                _nextLook = _nextLook < on ? World.Seconds(_policy.FirstLook(World.Time(on), World.Time(_nextLook))) : _nextLook;
                _nextExchange = _nextExchange < on ? on + Whole(_policy.NextExchangeLook()) : _nextExchange;
                continue;
            }
            Turn(at);
            if (isLook)
            {
                _nextLook = Math.Max(at + 1, World.Seconds(_policy.NextLook(World.Time(at))));
                Look(at);
            }
            else
            {
                ExchangeLook(at);
                WakeExchanges(at);
            }
        }
        Turn(to);
    }

    private void Look(long at)
    {
        Expire(at);
        foreach (int plan in _kept)
        {
            int size = _policy.PurchaseAtLook(Stock(plan));
            if (size > 0)
            {
                Buy(at, plan, size);
            }
        }
        Renew(at);
    }

    /// <summary>As <c>WalletFiller</c> renews a subscription.</summary>
    private void Renew(long at)
    {
        if (_firstBought[World.Subscription] == Never)
        {
            return;
        }
        int newest = _world.Newest(at);
        if (_held[World.Subscription, newest] > 0)
        {
            return;
        }
        if (_renewAt == Never && newest > 0 && _held[World.Subscription, newest - 1] > 0 && at < _world.Deadlines[newest - 1])
        {
            _renewAt = World.Seconds(_policy.RenewalTime(World.Time(at), World.Time(_world.Deadlines[newest - 1])));
        }
        else if (_renewAt == Never || at >= _renewAt)
        {
            Buy(at, World.Subscription, 1);
            _renewAt = Never;
        }
    }

    private void Prompt(long at, int talk)
    {
        Usability.Prompts++;
        int plan = _person.Talks[talk].Plan;
        if (plan == World.Subscription)
        {
            AskWithChain(at, talk);
            return;
        }
        int mine = _returned.FindIndex(entry => entry.Talk == talk && _world.Deadlines[entry.Key] > at + DeadlineMargin);
        int key = mine >= 0 ? _returned[mine].Key : -1;
        if (mine >= 0)
        {
            _returned.RemoveAt(mine);
        }
        bool bought = false;
        foreach (TokenSource source in mine >= 0 ? [] : _policy.SourcesAtPrompt(true))
        {
            if (source == TokenSource.Exchange && !ExchangeForPrompt(at, plan))
            {
                continue;
            }
            if (source == TokenSource.Purchase)
            {
                Buy(at, plan, _policy.PurchaseAtPrompt(Stock(plan)));
                bought = true;
            }
            key = Take(at, plan, ref _talks[talk]);
            if (key >= 0)
            {
                break;
            }
        }
        Usability.BoughtAtPrompt += bought ? 1 : 0;
        if (key < 0)
        {
            Usability.Refused++;
            return;
        }
        _talks[talk].See(at, key);
        if (_draws.Fraction() < FailureRate)
        {
            _returned.Add((plan, key, talk, at));
            WakeExchanges(at);
        }
        else
        {
            _spentUntil[plan][_day]++;
        }
        for (int i = 0; i < _returned.Count; i++)
        {
            _returned[i] = _returned[i].Talk == talk ? _returned[i] with { Touched = at } : _returned[i];
        }
    }

    private void AskWithChain(long at, int talk)
    {
        int key = _world.Newest(at);
        // The older of the two while both are live.
        key = key > 0 && at < _world.Deadlines[key - 1] ? key - 1 : key;
        if (_held[World.Subscription, key] == 0)
        {
            int newest = _world.Newest(at);
            if (_held[World.Subscription, newest] == 0)
            {
                Usability.BoughtAtPrompt++;
                Buy(at, World.Subscription, 1);
            }
            key = newest;
        }
        _talks[talk].See(at, key);
    }

    /// <summary>A restored token, then a held one, as the policy picks; -1 if there is none.</summary>
    private int Take(long at, int plan, ref Seen talk)
    {
        for (int key = 0; key < _world.Keys; key++)
        {
            ref (int Good, int Spent) restored = ref _restored[plan, key];
            for (int tries = 0; restored.Good + restored.Spent > 0 && _world.Deadlines[key] > at + DeadlineMargin && tries < TriesPerPrompt; tries++)
            {
                if (_draws.Below(restored.Good + restored.Spent) < restored.Good)
                {
                    restored.Good--;
                    Note(at, plan, key);
                    return key;
                }
                restored.Spent--;
                talk.SpentTries++;
            }
        }
        _choice.Clear();
        for (int key = 0; key < _world.Keys; key++)
        {
            if (_held[plan, key] > 0 && _world.Deadlines[key] > at + DeadlineMargin)
            {
                _choice.Add((_world.Deadlines[key], _held[plan, key]));
            }
        }
        if (_policy.Pick(_choice) is not { } pick)
        {
            return -1;
        }
        int picked = Array.IndexOf(_world.Deadlines, pick.Deadline);
        _held[plan, picked]--;
        _total[plan]--;
        Note(at, plan, picked);
        return picked;
    }

    private void Buy(long at, int plan, int size)
    {
        int key = _world.Newest(at);
        _firstBought[plan] = Math.Min(_firstBought[plan], at);
        _held[plan, key] += size;
        _total[plan] += size;
        _bought[plan, key] += size;
        _account.Issuances.Add(new Issuance(at, plan, key, size));
        Usability.Purchases++;
        Usability.Bought += plan == World.Subscription ? 0 : size;
        Note(at, plan, key);
        WakeExchanges(at);
    }

    private void Restore(long at)
    {
        _account.Issuances.Add(new Issuance(at, World.Chat, _world.Newest(at), 0));
        _returned.Clear();
        for (int plan = World.Chat; plan <= World.Large; plan++)
        {
            for (int key = 0; key < _world.Keys; key++)
            {
                // What was bought of keys that still count comes back, used or not; what came of exchanges comes when its predecessor is exchanged again.
                bool counts = _world.GraceEnds[key] > at && _bought[plan, key] > 0;
                _restored[plan, key] = counts ? (_held[plan, key], Math.Max(0, _bought[plan, key] - _held[plan, key])) : default;
                _total[plan] -= _held[plan, key];
                _held[plan, key] = 0;
                Note(at, plan, key);
            }
        }
    }

    private void Expire(long at)
    {
        if (at < _world.GraceEnds[_expired])
        {
            return;
        }
        while (_expired + 1 < _world.Keys && _world.GraceEnds[_expired] <= at)
        {
            _expired++;
        }
        for (int plan = World.Chat; plan <= World.Large; plan++)
        {
            for (int key = 0; key < _world.Keys && _world.GraceEnds[key] <= at; key++)
            {
                Usability.Lost += _held[plan, key] + _restored[plan, key].Good;
                _total[plan] -= _held[plan, key];
                _held[plan, key] = 0;
                _restored[plan, key] = default;
            }
        }
    }

    private PlanStock Stock(int plan)
    {
        int yesterday = _day - 1;
        int before = yesterday - WalletPolicy.DaysOfUse;
        long spent = yesterday < 0 ? 0 : _spentUntil[plan][yesterday] - (before < 0 ? 0 : _spentUntil[plan][before]);
        return PlanStock.Of(_total[plan], spent, _firstBought[plan] == Never ? 0 : _day - (int)(_firstBought[plan] / World.Day));
    }

    /// <summary>Turns the calendar, whose pages hold all that was spent until the end of each day.</summary>
    private void Turn(long at)
    {
        for (int today = (int)(at / World.Day); _day < today; _day++)
        {
            foreach (int[] pages in _spentUntil)
            {
                pages[_day + 1] = pages[_day];
            }
        }
    }

    private void Note(long at, int plan, int key)
    {
        bool has = _held[plan, key] + _restored[plan, key].Good > 0;
        if (has != _logged[plan, key])
        {
            _logged[plan, key] = has;
            _account.Holds(at, plan, key, has);
        }
    }

    private void Keep(int sample)
    {
        // By key, each a reservoir.
        var kept = new Dictionary<(int Plan, int Key), (int Met, List<Sighting> Sample)>();
        for (int talk = 0; talk < _talks.Length; talk++)
        {
            Seen seen = _talks[talk];
            if (seen.Turns == 0)
            {
                continue;
            }
            int plan = _person.Talks[talk].Plan;
            _account.Uses(plan, seen.Key);
            if (seen.At < _world.JudgedFrom)
            {
                continue;
            }
            Sighting sighting = new(_person.Id, seen.At, plan, seen.Key, seen.Turns, seen.SpentTries, seen.ExchangedAt);
            (int met, List<Sighting> list) = kept.GetValueOrDefault((plan, seen.Key), (0, []));
            kept[(plan, seen.Key)] = (met + 1, list);
            if (list.Count < sample)
            {
                list.Add(sighting);
            }
            else if (_draws.Below(met + 1) is int place && place < sample)
            {
                list[place] = sighting;
            }
        }
        _account.Sample.AddRange(kept.Values.SelectMany(entry => entry.Sample));
    }

    private static long Whole(TimeSpan wait) => wait.Ticks / TimeSpan.TicksPerSecond;

    private record struct Seen
    {
        public long At;
        public int Key;
        public int Turns;
        public int SpentTries;
        public long ExchangedAt;

        public void See(long at, int key)
        {
            (At, Key) = Turns == 0 ? (at, key) : (At, Key);
            Turns++;
        }
    }
}
