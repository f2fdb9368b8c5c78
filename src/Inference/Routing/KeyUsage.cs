namespace Tacit.Inference;

/// <summary>Sums of a day or a month, as kept: money in billionths.</summary>
internal readonly record struct UsageSums(long Requests, long Tokens, long Nano)
{
    public UsageSums Plus(long requests, long tokens, long nano) => new(checked(Requests + requests), checked(Tokens + tokens), checked(Nano + nano));

    public UsageTotals ToTotals() => new(Requests, Tokens, Nano / 1_000_000_000m);
}

/// <summary>Counts what one key uses and says when it has reached its budget. Thread safe.</summary>
internal sealed class KeyUsage(KeyBudget? budget, TimeProvider time)
{
    private readonly Lock _gate = new();
    private DateOnly _today;
    private UsageSums _day;
    private UsageSums _month;

    public KeyBudget? Budget => budget;

    public bool IsUsedUp
    {
        get
        {
            if (budget is null)
            {
                return false;
            }

            (UsageSums day, UsageSums month) = Read();
            return day.Requests >= budget.RequestsPerDay || month.Requests >= budget.RequestsPerMonth
                || day.Tokens >= budget.TokensPerDay || month.Tokens >= budget.TokensPerMonth
                || day.Nano / 1_000_000_000m >= budget.MoneyPerDay || month.Nano / 1_000_000_000m >= budget.MoneyPerMonth;
        }
    }

    public (UsageSums Day, UsageSums Month) Read()
    {
        lock (_gate)
        {
            Turn();
            return (_day, _month);
        }
    }

    public void Add(long requests, long tokens, long nano)
    {
        lock (_gate)
        {
            Turn();
            _day = _day.Plus(requests, tokens, nano);
            _month = _month.Plus(requests, tokens, nano);
        }
    }

    /// <summary>Goes on from what was kept on that day.</summary>
    public void Restore(DateOnly on, UsageSums day, UsageSums month)
    {
        lock (_gate)
        {
            (_today, _day, _month) = (on, day, month);
            Turn();
        }
    }

    private void Turn()
    {
        DateOnly now = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);
        if (now == _today)
        {
            return;
        }

        _day = default;
        if (now.Year != _today.Year || now.Month != _today.Month)
        {
            _month = default;
        }

        _today = now;
    }
}
