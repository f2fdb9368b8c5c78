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
    /// <summary>An overdue look waits at least this long, and up to four times as long, after a start.</summary>
    private static readonly TimeSpan OverdueWait = TimeSpan.FromMinutes(2);

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
    public DateTimeOffset FirstLook(DateTimeOffset now, DateTimeOffset? stored) =>
        stored is DateTimeOffset at && at > now && at - now <= _options.Interval * 2 ? at : now + OverdueWait + (OverdueWait * 3 * _fraction());

    /// <summary>When the wallet looks after itself again, drawn as a look begins.</summary>
    public DateTimeOffset NextLook(DateTimeOffset now) => now + Jittered(_options.Interval);

    /// <summary>How many tokens of a plan to buy at a look: one of <see cref="FillOptions.StandardSizes"/>, or 0.</summary>
    public int PurchaseAtLook(in PlanStock stock) => stock.Held < _options.LowWater ? _options.BatchSize : 0;

    /// <summary>How many tokens to buy where a prompt waits for one.</summary>
    public int PurchaseAtPrompt(in PlanStock stock) => _options.BatchSize;

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
    public IReadOnlyList<TokenSource> SourcesAtPrompt(bool mayBuy) =>
        mayBuy && _fillAtPrompt
            ? [TokenSource.Wallet, TokenSource.Exchange, TokenSource.Purchase, TokenSource.Restored]
            : [TokenSource.Wallet, TokenSource.Exchange, TokenSource.Restored];

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

    /// <summary>How long to wait before an exchange of the schedule.</summary>
    public TimeSpan ExchangePause() => _options.ExchangeSpacing * _fraction();

    /// <summary>
    /// Whether a look should exchange a token: one that was shown to a conversation that is over, or whose deadline is near or past. The latter go one by one,
    /// evenly over the time that is left: all at once, their number would tell how many the account bought and did not use.
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
        TimeSpan left = (now < key.Deadline ? key.Deadline : key.Deadline + key.Ahead) - now;
        return forPrompt || left <= _options.ExchangeInterval || _fraction() < _options.ExchangeInterval / left;
    }

    /// <summary>Whether a key will do for a successor: a token that is merely near its deadline gains nothing from a key that ends with it.</summary>
    public static bool IsWorthExchanging(in KeyDeadline key, DateTimeOffset successorDeadline, DateTimeOffset now) => successorDeadline > key.Deadline || !key.IsNear(now);

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

    private TimeSpan Jittered(TimeSpan mean) => mean * (1 + (_options.Jitter * ((2 * _fraction()) - 1)));
}
