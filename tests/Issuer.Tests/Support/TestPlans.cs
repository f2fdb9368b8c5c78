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
}
