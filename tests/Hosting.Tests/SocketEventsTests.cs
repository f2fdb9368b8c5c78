using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Tacit.Hosting.Tests;

public sealed class SocketEventsTests
{
    private const int OrdinaryPolicy = 0;
    private const int BatchPolicy = 3;

    [Fact]
    public async Task Threads_that_wait_for_sockets_take_their_turn_and_no_other_does()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The policy is Linux's.");
        // The runtime starts them with the first socket that is waited for.
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task<TcpClient> accepted = listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken).AsTask();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestContext.Current.CancellationToken);
        (await accepted).Dispose();

        bool isUrgent = false;
        FakeTime time = new(new DateTimeOffset(2027, 1, 1, 0, 0, 0, TimeSpan.Zero));
        using (SocketEvents.TakeInTurn(() => isUrgent, time))
        {
            Assert.Contains(Policies(), thread => thread.IsForSockets);
            Expect(BatchPolicy);

            // While there is more to do than can be done nobody waits, and afterwards it is as before.
            isUrgent = true;
            Expect(BatchPolicy);
            time.Advance(TimeSpan.FromSeconds(1));
            Expect(OrdinaryPolicy);
            isUrgent = false;
            time.Advance(TimeSpan.FromSeconds(1));
            Expect(BatchPolicy);
        }

        isUrgent = true;
        time.Advance(TimeSpan.FromSeconds(1));
        Expect(BatchPolicy);

        static void Expect(int policy) => Assert.All(Policies(), thread => Assert.Equal(thread.IsForSockets ? policy : OrdinaryPolicy, thread.Policy));
    }

    private static IReadOnlyList<(bool IsForSockets, int Policy)> Policies() =>
        [.. Directory.EnumerateDirectories(SocketEvents.ThreadList).Select(thread => (SocketEvents.IsForSockets(thread), PolicyOf(thread))).Where(thread => thread.Item2 >= 0)];

    /// <summary>Field 41 of proc(5) stat; the name before it may hold anything but ends with the last bracket. Below zero: the thread has ended.</summary>
    private static int PolicyOf(string thread)
    {
        try
        {
            string stat = File.ReadAllText(Path.Combine(thread, "stat"));
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[38], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return -1;
        }
    }
}
