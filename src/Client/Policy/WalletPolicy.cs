using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Client.Policy;

/// <summary>
/// Every decision of the wallet that issuer or gateway can see by its time, its amount or its key: when to look, what to buy, what to do at a prompt, which token
/// to use, when to exchange one. Decides and does nothing: no I/O and no clock of its own, so that <c>bench/privacy</c> runs this very class for a simulated
/// year. Thread safe if the randomness is.
/// </summary>
internal sealed class WalletPolicy
{
    /// <summary>A wait is at most this many times its mean, so that none lasts for ever; one in three thousand would.</summary>
    private const double LongestWait = 8;

    /// <summary>What is kept of a plan that was not used lately: a first request must not have to cause a purchase.</summary>
    private const int UnusedPlan = 50;

    /// <summary>No look begins while a prompt is on its way, or so soon after one.</summary>
    public static readonly TimeSpan QuietBeforeLook = TimeSpan.FromMinutes(1);

    /// <summary>How often in a row a look is put off for the sake of prompts. A machine that asks without a pause needs tokens as well.</summary>
    public const int MostPutOff = 12;

    /// <summary>How many whole days of use tell how much the wallet needs.</summary>
    public const int DaysOfUse = 56;

    /// <summary>
    /// How long, in the mean and while the program runs, a token near its deadline waits for its exchange: long enough to be one by one, short enough for a
    /// machine that runs an hour a day. Past the deadline a prompt may be waiting for it.
    /// </summary>
    private static readonly TimeSpan SpreadBefore = TimeSpan.FromHours(3);

    private static readonly TimeSpan SpreadAfter = TimeSpan.FromMinutes(20);

    private static readonly TimeSpan LongestRenewalPause = TimeSpan.FromHours(1);

    private static readonly TimeSpan LongestPauseForPrompt = TimeSpan.FromSeconds(15);

    private static readonly TokenSource[] WithPurchase = [TokenSource.Wallet, TokenSource.Exchange, TokenSource.Purchase, TokenSource.Restored];
    private static readonly TokenSource[] WithoutPurchase = [TokenSource.Wallet, TokenSource.Exchange, TokenSource.Restored];

    private readonly FillOptions _options;
    private readonly bool _fillAtPrompt;
    private readonly Func<double> _fraction;

    /// <param name="options">Validated.</param>
    /// <param name="fillAtPrompt">Whether a prompt that finds the wallet empty may cause a purchase.</param>
    /// <param name="fraction">Evenly from 0 to below 1; null takes the system's generator, as a guessable schedule could be recognised.</param>
    public WalletPolicy(FillOptions options, bool fillAtPrompt, Func<double>? fraction = null)
    {
        options.Validate();
        _options = options;
        _fillAtPrompt = fillAtPrompt;
        _fraction = fraction ?? (() => RandomNumberGenerator.GetInt32(int.MaxValue) / (double)int.MaxValue);
    }

    /// <summary>When the wallet first looks after itself once the program has started.</summary>
    /// <param name="stored">The time that was drawn before the program ended, if any.</param>
    /// <remarks>One that is overdue is drawn anew: soon after the start it would tell when this machine is used.</remarks>
    public DateTimeOffset FirstLook(DateTimeOffset now, DateTimeOffset? stored) =>
        stored is DateTimeOffset at && at > now && !IsOutOfReach(now, at) ? at : NextLook(now);

    /// <summary>Whether a time that was drawn is farther off than any is drawn: the clock was ahead then, and has been put right.</summary>
    public bool IsOutOfReach(DateTimeOffset now, DateTimeOffset next) => next - now > _options.Interval * LongestWait;

    /// <summary>When the wallet looks after itself again, drawn as a look begins.</summary>
    public DateTimeOffset NextLook(DateTimeOffset now) => now + Jittered(_options.Interval);

    /// <summary>When the wallet looks after itself if its time fell among prompts: drawn as if it had not been, so that the end of a prompt brings no look.</summary>
    public DateTimeOffset PutOffLook(DateTimeOffset now) => now + Jittered(_options.Interval / MostPutOff);

    /// <summary>How many tokens of a plan to buy at a look: one of <see cref="FillOptions.StandardSizes"/>, or 0.</summary>
    /// <remarks>
    /// Not as soon as the plan is low, but at one of the following looks, left to chance: the wait has no memory, so that a purchase is not timed with the
    /// requests that made it necessary.
    /// </remarks>
    public int PurchaseAtLook(in PlanStock stock)
    {
        if (stock.UsedPerDay == 0)
        {
            // Nothing was used, so there is nothing that the purchase could be timed with.
            int starter = Math.Min(UnusedPlan, _options.BatchSize);
            return stock.Held < Math.Min(_options.LowWater, starter) ? starter : 0;
        }
        if (_options.RefillDelay > _options.Interval && _fraction() >= _options.Interval / _options.RefillDelay)
        {
            return 0;
        }
        int size = PurchaseAtPrompt(stock);
        return _options.LowWater > 0 && stock.Held < Math.Max(_options.LowWater, Math.Min(stock.UsedPerDay * _options.Reserve.TotalDays, size) / 4) ? size : 0;
    }

    /// <summary>How many tokens to buy where a prompt waits for one: as many as at a look, so that the size does not tell which it was.</summary>
    public int PurchaseAtPrompt(in PlanStock stock)
    {
        double wanted = Math.Max(_options.BatchSize, stock.UsedPerDay * _options.Reserve.TotalDays);
        foreach (int size in FillOptions.StandardSizes)
        {
            if (size >= wanted)
            {
                return size;
            }
        }
        return FillOptions.StandardSizes[^1];
    }

    /// <summary>
    /// The largest standard size that <paramref name="credits"/> pay for; 0 if they pay for none.
    /// </summary>
    /// <param name="shrink">Whether one smaller than <paramref name="size"/> will do.</param>
    public static int Affordable(long credits, Credits price, int size, bool shrink)
    {
        long most = price == Credits.Zero ? size : credits / price.Value;
        return FillOptions.StandardSizes.Where(standard => standard <= size && standard <= most && (shrink || standard == size)).DefaultIfEmpty(0).Max();
    }

    /// <summary>
    /// The plans that the wallet keeps filled: those of the settings, else for every model its cheapest plan, each once. A model that a subscription of the
    /// wallet buys needs no tokens besides.
    /// </summary>
    public IEnumerable<string> KeptPlans(IEnumerable<Plan> plans, IReadOnlyCollection<string>? subscribed = null)
    {
        Plan[] all = [.. plans];
        HashSet<string> covered = [.. all.Where(plan => plan.Kind == PlanKind.Subscription && subscribed?.Contains(plan.Id) == true).SelectMany(plan => plan.Models)];
        return _options.Plans
            ?? all.Where(plan => plan.Kind == PlanKind.Request)
                .SelectMany(plan => plan.Models, (plan, model) => (Plan: plan, Model: model))
                .Where(pair => !covered.Contains(pair.Model))
                .GroupBy(pair => pair.Model, StringComparer.Ordinal)
                .Select(pairs => pairs.OrderBy(pair => pair.Plan.Price).ThenBy(pair => pair.Plan.MaxInputBytes).First().Plan.Id)
                .Distinct(StringComparer.Ordinal);
    }

    /// <summary>
    /// Where a prompt looks for a token, in this order until one has it. An exchange comes before a purchase: it links two of the wallet's requests by time at
    /// worst, where a purchase would link the account. Several restored tokens come last: they may turn out spent.
    /// </summary>
    /// <param name="mayBuy">False if this prompt has already caused a purchase.</param>
    public IReadOnlyList<TokenSource> SourcesAtPrompt(bool mayBuy) => mayBuy && _fillAtPrompt ? WithPurchase : WithoutPurchase;

    /// <summary>
    /// Which of the tokens that would do: one at random within the oldest key, so that their order tells nothing of when they were bought.
    /// </summary>
    /// <param name="keys">The deadlines of keys with tokens that would do, and how many.</param>
    /// <returns>The deadline, and the place among its tokens; null if there are none.</returns>
    public (long Deadline, int Place)? Pick(IReadOnlyList<(long Deadline, int Count)> keys) =>
        keys.Count == 0 ? null : keys.MinBy(key => key.Deadline) is var oldest ? (oldest.Deadline, Below(oldest.Count)) : null;

    /// <summary>
    /// When to buy a subscription's next period, drawn once when that is first sold: evenly over the lead but for its end, so that the purchases of all wallets
    /// spread over it and none waits for the boundary.
    /// </summary>
    /// <param name="deadline">The end of the period that was bought.</param>
    public DateTimeOffset RenewalTime(DateTimeOffset now, DateTimeOffset deadline) => now + ((deadline - now) * 0.875 * _fraction());

    /// <summary>How long until tokens are next looked through for an exchange.</summary>
    public TimeSpan NextExchangeLook() => Jittered(_options.ExchangeInterval);

    /// <summary>
    /// How long to wait before the gateway is asked once more for a chain's next link: twice as long each time, half of it left to chance. What does not come for long may not
    /// come at all before the deadline, as after a gateway was put back to an old record: then up to an hour, unless a prompt waits for it.
    /// </summary>
    /// <param name="failures">How often in a row it was not given; from 1.</param>
    /// <param name="first">The wait after the first.</param>
    public TimeSpan RenewalPause(int failures, TimeSpan first, bool forPrompt)
    {
        TimeSpan longest = forPrompt ? LongestPauseForPrompt : LongestRenewalPause;
        TimeSpan pause = first * Math.Pow(2, Math.Clamp(failures - 1, 0, 20));
        return (pause < longest ? pause : longest) * (0.5 + (_fraction() / 2));
    }

    /// <summary>How long to wait before an exchange of the schedule.</summary>
    public TimeSpan ExchangePause() => _options.ExchangeSpacing * _fraction();

    /// <summary>
    /// Whether a look should exchange a token: one that was shown to a conversation that is over, or whose deadline is near or past. The latter go one by one,
    /// spread over hours: all at once, their number would tell how many the account bought and did not use.
    /// </summary>
    /// <param name="isShown">Whether it left this machine in a conversation.</param>
    /// <param name="isLive">Whether that conversation still goes on, and keeps it.</param>
    /// <param name="forPrompt">Whether a prompt waits for it.</param>
    public bool IsExchangeDue(in KeyDeadline key, bool isShown, bool isLive, bool forPrompt, DateTimeOffset now)
    {
        if (isShown && !isLive)
        {
            return true;
        }
        if (!key.IsNear(now))
        {
            return false;
        }
        return forPrompt || _fraction() < ShareDue(key, now);
    }

    /// <summary>How many of so many tokens alike, none of which was shown, a look should exchange: <see cref="IsExchangeDue"/> for all of them at once.</summary>
    public int CountExchangesDue(int tokens, in KeyDeadline key, DateTimeOffset now)
    {
        double share = key.IsNear(now) ? ShareDue(key, now) : 0;
        if (share is <= 0 or >= 1)
        {
            return share <= 0 ? 0 : tokens;
        }
        // From one that is due to the next.
        int due = 0;
        double rest = Math.Log(1 - share);
        for (double at = Math.Log(1 - _fraction()) / rest; at < tokens; at += 1 + Math.Floor(Math.Log(1 - _fraction()) / rest))
        {
            due++;
        }
        return due;
    }

    /// <summary>Whether a key will do for a successor: a token that was not shown and is merely near its deadline gains nothing from a key that ends with it.</summary>
    public static bool IsWorthExchanging(in KeyDeadline key, bool isShown, DateTimeOffset successorDeadline) => isShown || successorDeadline > key.Deadline;

    /// <summary>In random order: the journal's is that of the batches, which the issuer knows.</summary>
    public T[] Shuffled<T>(IReadOnlyList<T> items)
    {
        T[] shuffled = [.. items];
        for (int i = shuffled.Length - 1; i > 0; i--)
        {
            int j = Below(i + 1);
            (shuffled[i], shuffled[j]) = (shuffled[j], shuffled[i]);
        }
        return shuffled;
    }

    private int Below(int count) => Math.Min((int)(_fraction() * count), count - 1);

    private double ShareDue(in KeyDeadline key, DateTimeOffset now)
    {
        TimeSpan within = now < key.Deadline ? Min(key.Deadline - now, SpreadBefore) : SpreadAfter;
        return within <= _options.ExchangeInterval ? 1 : _options.ExchangeInterval / within;

        static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
    }

    private TimeSpan Jittered(TimeSpan mean) => mean * (1 - _options.Jitter + (_options.Jitter * Math.Min(-Math.Log(1 - _fraction()), LongestWait)));
}
