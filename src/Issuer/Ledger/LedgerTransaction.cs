using System.Security.Cryptography;

namespace Tacit.Issuer.Ledger;

/// <summary>What moved credits. The text is stored and shown in an account's history.</summary>
internal static class TransactionKind
{
    public const string Voucher = "voucher";
    public const string Tokens = "tokens";
    public const string Subscription = "subscription";
    public const string Refund = "refund";
    public const string Closed = "closed";
    public const string Payment = "payment";
    public const string Reversal = "reversal";
    public const string ReversalUndone = "reversal-undone";
    public const string Owed = "owed";
}

/// <summary>The issuer's own accounts. Their balances are the sums of their postings; keeping a running total would make one hot row of each.</summary>
internal static class IssuerAccounts
{
    /// <summary>Where credits from vouchers come from.</summary>
    public const long Vouchers = -1;

    /// <summary>Where credits go that were turned into tokens and subscriptions.</summary>
    public const long Tokens = -2;

    /// <summary>Where credits go that an account still held when it was deleted.</summary>
    public const long Forfeited = -3;

    /// <summary>Where credits from payments come from.</summary>
    public const long Payments = -4;

    /// <summary>What accounts owe: credits of reversed payments that were already turned into tokens.</summary>
    public const long Owed = -5;
}

/// <summary>One leg: adds <paramref name="Amount"/> credits to an account, or takes them if negative.</summary>
internal readonly record struct Posting(long Account, long Amount);

/// <summary>A movement of credits whose legs sum to zero; anything else can't be made.</summary>
internal sealed class LedgerTransaction
{
    private LedgerTransaction(string kind, long day, string? planId, int quantity, Posting[] postings)
    {
        long sum = 0;
        foreach (Posting posting in postings)
        {
            sum = checked(sum + posting.Amount);
        }

        if (sum != 0 || postings.Length < 2)
        {
            throw new InvalidOperationException("The legs of a ledger transaction do not sum to zero.");
        }

        Kind = kind;
        Day = day;
        PlanId = planId;
        Quantity = quantity;
        Postings = postings;
    }

    public string Kind { get; }

    /// <summary>Days since 1970-01-01, UTC.</summary>
    public long Day { get; }

    public string? PlanId { get; }

    /// <summary>Tokens, subscriptions or vouchers moved.</summary>
    public int Quantity { get; }

    public IReadOnlyList<Posting> Postings { get; }

    public static LedgerTransaction Voucher(long account, long credits, long day) =>
        new(TransactionKind.Voucher, day, null, 1, [new(account, credits), new(IssuerAccounts.Vouchers, checked(-credits))]);

    public static LedgerTransaction Tokens(long account, string planId, int count, long credits, long day) =>
        new(TransactionKind.Tokens, day, planId, count, [new(account, checked(-credits)), new(IssuerAccounts.Tokens, credits)]);

    public static LedgerTransaction Subscription(long account, string planId, long credits, long day) =>
        new(TransactionKind.Subscription, day, planId, 1, [new(account, checked(-credits)), new(IssuerAccounts.Tokens, credits)]);

    public static LedgerTransaction Refund(long account, string planId, int count, long credits, long day) =>
        new(TransactionKind.Refund, day, planId, count, [new(account, credits), new(IssuerAccounts.Tokens, checked(-credits))]);

    public static LedgerTransaction Closed(long account, long credits, long day) =>
        new(TransactionKind.Closed, day, null, 1, [new(account, checked(-credits)), new(IssuerAccounts.Forfeited, credits)]);

    public static LedgerTransaction Payment(long account, long credits, long day) =>
        new(TransactionKind.Payment, day, null, 1, [new(account, credits), new(IssuerAccounts.Payments, checked(-credits))]);

    /// <param name="account">Whose payment went back.</param>
    /// <param name="taken">Credits that the account still had.</param>
    /// <param name="owed">Credits that it no longer had.</param>
    /// <param name="day">Days since 1970-01-01, UTC.</param>
    public static LedgerTransaction Reversal(long account, long taken, long owed, long day) =>
        new(TransactionKind.Reversal, day, null, 1,
            Legs(new(account, checked(-taken)), new(IssuerAccounts.Owed, checked(-owed)), new(IssuerAccounts.Payments, checked(taken + owed))));

    public static LedgerTransaction ReversalUndone(long account, long given, long forgiven, long day) =>
        new(TransactionKind.ReversalUndone, day, null, 1,
            Legs(new(account, given), new(IssuerAccounts.Owed, forgiven), new(IssuerAccounts.Payments, checked(-given - forgiven))));

    public static LedgerTransaction DebtPaid(long account, long credits, long day) =>
        new(TransactionKind.Owed, day, null, 1, [new(account, checked(-credits)), new(IssuerAccounts.Owed, credits)]);

    private static Posting[] Legs(params ReadOnlySpan<Posting> legs)
    {
        var moving = new List<Posting>(legs.Length);
        foreach (Posting leg in legs)
        {
            if (leg.Amount != 0)
            {
                moving.Add(leg);
            }
        }

        return [.. moving];
    }

    /// <summary>A random positive id: it tells nothing of order, and needs no counter that several issuers would share.</summary>
    public static long NewId()
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        long id;
        do
        {
            RandomNumberGenerator.Fill(bytes);
            id = BitConverter.ToInt64(bytes) & long.MaxValue;
        }
        while (id == 0);
        return id;
    }
}
