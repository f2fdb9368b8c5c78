namespace Tacit.Protocol.Tests;

public sealed class CreditsTests
{
    [Fact]
    public void Arithmetic_is_exact()
    {
        Credits price = new(4);

        Assert.Equal(new Credits(412), (price * 100) + new Credits(12));
        Assert.Equal(new Credits(-1), new Credits(3) - price);
        Assert.True((new Credits(3) - price).IsNegative);
        Assert.True(price > new Credits(3) && price >= new Credits(4) && Credits.Zero < price && price <= new Credits(4));
        Assert.Equal("-4", (-price).ToString());
    }

    [Fact]
    public void Arithmetic_that_would_wrap_round_throws()
    {
        Credits most = new(long.MaxValue);

        Assert.Throws<OverflowException>(() => most + new Credits(1));
        Assert.Throws<OverflowException>(() => most * 2);
        Assert.Throws<OverflowException>(() => new Credits(long.MinValue) - new Credits(1));
        Assert.Throws<OverflowException>(() => -new Credits(long.MinValue));
    }
}
