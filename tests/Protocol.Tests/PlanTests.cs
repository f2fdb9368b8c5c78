namespace Tacit.Protocol.Tests;

public sealed class PlanTests
{
    private static readonly Plan s_plan = new()
    {
        Id = "chat", Models = ["tacit-demo"], MaxInputBytes = 262144, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month,
    };

    public static TheoryData<string, Plan> Faulty => new()
    {
        { "id empty", s_plan with { Id = "" } },
        { "id too long", s_plan with { Id = new string('a', 65) } },
        { "id in capitals", s_plan with { Id = "Chat" } },
        { "id that begins with a dot", s_plan with { Id = ".chat" } },
        { "id beyond ASCII", s_plan with { Id = "chät" } },
        { "no model", s_plan with { Models = [] } },
        { "a model twice", s_plan with { Models = ["a", "a"] } },
        { "a model with a space", s_plan with { Models = ["a b"] } },
        { "a model without a name", s_plan with { Models = [""] } },
        { "no input", s_plan with { MaxInputBytes = 0 } },
        { "output below zero", s_plan with { MaxOutputTokens = -1 } },
        { "price below zero", s_plan with { Price = new Credits(-1) } },
        { "price beyond JSON's whole numbers", s_plan with { Price = new Credits(1L << 53) } },
        { "unknown token type", s_plan with { TokenType = (TokenType)1 } },
        { "unknown period", s_plan with { Period = (PeriodKind)3 } },
        { "a request plan with chains", s_plan with { Concurrency = 2 } },
        { "an open plan at a price", s_plan with { Open = true } },
        { "an open plan of a shared key", s_plan with { Open = true, Price = Credits.Zero, TokenType = TokenType.PartiallyBlindRsa } },
        { "a subscription without chains", s_plan with { Kind = PlanKind.Subscription, Concurrency = 0 } },
        { "a subscription with too many chains", s_plan with { Kind = PlanKind.Subscription, Concurrency = Plan.MaxConcurrency + 1 } },
        { "unknown kind", s_plan with { Kind = (PlanKind)2 } },
    };

    [Theory]
    [MemberData(nameof(Faulty), DisableDiscoveryEnumeration = true)]
    public void Plan_out_of_its_rules_is_told_why(string what, Plan plan) => Assert.False(string.IsNullOrEmpty(plan.FindFault()), what);

    [Fact]
    public void Plan_within_its_rules_has_no_fault()
    {
        Assert.Null(s_plan.FindFault());
        Assert.Null((s_plan with { MaxOutputTokens = 0, Price = Credits.Zero, Kind = PlanKind.Subscription, TokenType = TokenType.PartiallyBlindRsa }).FindFault());
        Assert.Null((s_plan with { Kind = PlanKind.Subscription, Concurrency = Plan.MaxConcurrency }).FindFault());
    }
}
