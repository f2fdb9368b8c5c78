namespace Tacit.Client.Tests.Support;

/// <summary>For tests, on the machine's clock, of what is counted by the day (UTC).</summary>
internal static class RestOfDay
{
    private static readonly TimeSpan s_room = TimeSpan.FromMinutes(3);

    /// <summary>Waits for the next day where too little of this one is left for a test.</summary>
    public static async Task HaveRoomAsync()
    {
        TimeSpan left = TimeSpan.FromDays(1) - TimeProvider.System.GetUtcNow().TimeOfDay;
        if (left < s_room)
        {
            await Task.Delay(left + TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        }
    }
}
