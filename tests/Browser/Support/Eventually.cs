namespace Tacit.Browser.Support;

/// <summary>Waits for what no locator shows.</summary>
internal static class Eventually
{
    public static Task TrueAsync(Func<bool> condition) => TrueAsync(() => Task.FromResult(condition()));

    /// <summary>Asks again and again, until it is so or patience is at its end.</summary>
    public static async Task TrueAsync(Func<Task<bool>> condition)
    {
        using var patience = new CancellationTokenSource(Patience.Time);
        while (!await condition())
        {
            Assert.False(patience.IsCancellationRequested, "It never came to be.");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }
}
