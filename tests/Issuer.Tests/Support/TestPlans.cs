using Tacit.Protocol;

namespace Tacit.Tests;

/// <summary>Plans to test with.</summary>
internal static class TestPlans
{
    /// <summary>One credit, 0x0002, by the month.</summary>
    public static Plan Chat { get; } = new()
    {
        Id = "chat", Models = ["tacit-demo"], MaxInputBytes = 262_144, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month,
    };

    /// <summary>Four credits, 0xDA7A, by the month.</summary>
    public static Plan Large { get; } = Chat with { Id = "chat-large", Price = new Credits(4), TokenType = TokenType.PartiallyBlindRsa };

    /// <summary>A subscription for a hundred credits a month with two chains. On 0x0002, whose keys are found at once; 0xDA7A differs in nothing that these plans test.</summary>
    public static Plan Monthly { get; } = Chat with { Id = "monthly", Kind = PlanKind.Subscription, Price = new Credits(100), Concurrency = 2 };
}
