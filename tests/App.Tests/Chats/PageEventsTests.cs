using System.Net.Sockets;
using System.Text;

namespace Tacit.App.Tests.Chats;

public sealed class PageEventsTests
{
    [Fact]
    public async Task A_tab_that_does_not_read_is_closed_and_the_others_hear_everything()
    {
        await using ChatTest test = await ChatTest.SayingAsync("never");
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await socket.ConnectAsync("127.0.0.1", test.App.Server.Address.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes(
            $"GET /app/events HTTP/1.1\r\nHost: 127.0.0.1:{test.App.Server.Address.Port}\r\nTacit-Page: 1\r\n\r\n"), SocketFlags.None);
        byte[] one = new byte[1];
        Assert.Equal(1, await socket.ReceiveAsync(one, SocketFlags.None));
        await using TestTab tab = await test.OpenTabAsync();

        // More than a tab's queue and all buffers on the way hold.
        const int Count = 40;
        for (int i = 0; i < Count; i++)
        {
            await test.CallAsync(HttpMethod.Put, "/prompts", new[] { new { id = "", name = $"n{i}", text = new string('x', 1_000_000) } });
            // The one that reads keeps up, however slow the machine.
            await tab.WaitAsync("prompts", prompts => prompts[0]!.Text("name") == $"n{i}");
        }

        Assert.Equal(Count, tab.Events.Count(one => one.Name == "prompts"));
        await AssertEndsAsync(socket, Count * 1_000_000L);
        // Back again, it starts with what there is now.
        await using TestTab back = await test.OpenTabAsync();
        Assert.Equal($"n{Count - 1}", back.Events[0].Data["prompts"]![0]!.Text("name"));
    }

    [Fact]
    public async Task All_tabs_end_when_the_app_stops()
    {
        await using ChatTest test = await ChatTest.SayingAsync("never");
        await using TestTab first = await test.OpenTabAsync();
        await using TestTab second = await test.OpenTabAsync();

        await test.App.Server.StopAsync();

        await first.ClosedAsync();
        await second.ClosedAsync();
    }

    [Fact]
    public async Task Two_tabs_hear_of_each_others_changes()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        await using TestTab first = await test.OpenTabAsync();
        await using TestTab second = await test.OpenTabAsync();
        string chat = await test.CreateAsync();
        await test.CallAsync(HttpMethod.Patch, "/conversations/" + chat, new { title = "Renamed" });
        await test.CallAsync(HttpMethod.Delete, "/conversations/" + chat);

        foreach (TestTab tab in (TestTab[])[first, second])
        {
            await tab.WaitAsync("conversation", one => one.Text("id") == chat && one.Text("title") == "Renamed");
            await tab.WaitAsync("conversation-deleted", one => one.Text("id") == chat);
        }
    }

    /// <summary>The connection breaks off before all of it came.</summary>
    private static async Task AssertEndsAsync(Socket socket, long before)
    {
        byte[] block = new byte[1 << 16];
        using var late = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        long read = 0;
        try
        {
            int count;
            while ((count = await socket.ReceiveAsync(block, SocketFlags.None, late.Token)) > 0)
            {
                read += count;
            }
        }
        catch (SocketException)
        {
            // Reset: as good an end as any.
        }
        Assert.InRange(read, 0, before - 1);
    }
}
