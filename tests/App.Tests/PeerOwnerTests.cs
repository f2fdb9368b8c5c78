using System.Diagnostics;
using System.Net;
using Tacit.Client.Tests.Support;

namespace Tacit.App.Tests;

/// <summary>Chats and seed are their own user's, although loopback is everybody's on a machine.</summary>
public sealed class PeerOwnerTests
{
    private const string Head = "   0: ";
    private const string Tail = " 00000000:00000000 00:00000000 00000000 ";

    private static readonly IPEndPoint s_theirs = new(IPAddress.Loopback, 0x1234);
    private static readonly IPEndPoint s_ours = new(IPAddress.Loopback, 8224);

    [Theory]
    [InlineData("0100007F:1234 0100007F:2020 01", 1000, 77, true)]
    [InlineData("0100007F:1234 0100007F:2020 01", 0, 77, true)]
    [InlineData("0100007F:1234 0100007F:2020 01", 1001, 77, false)]
    [InlineData("0100007F:1234 0100007F:2020 06", 0, 0, false)]
    [InlineData("0000000000000000FFFF00000100007F:1234 0000000000000000FFFF00000100007F:2020 01", 1001, 77, false)]
    [InlineData("0000000000000000FFFF00000100007F:1234 0000000000000000FFFF00000100007F:2020 01", 1000, 77, true)]
    public void Other_end_is_judged_by_whose_it_is(string ends, int user, int inode, bool may) =>
        Assert.Equal(may, PeerOwner.MayAsk(s_theirs, s_ours, 1000, () => ["nonsense", $"{Head}{ends}{Tail}{user}        0 {inode} 1 0000000000000000 20"]));

    [Fact]
    public void End_in_another_namespace_is_let_in() => Assert.True(PeerOwner.MayAsk(
        new IPEndPoint(IPAddress.Parse("172.17.0.1"), 0x1234), new IPEndPoint(IPAddress.Parse("172.17.0.2"), 8224), 1000,
        () => [$"{Head}020011AC:2020 010011AC:1234 01{Tail}1000        0 77 1 0 20"]));

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1", "0100007F")]
    [InlineData("::ffff:127.0.0.1", "::ffff:127.0.0.1", "0100007F")]
    [InlineData("192.0.2.7", "192.0.2.7", "070200C0")]
    public void End_on_this_machine_that_is_not_found_is_refused(string theirs, string ours, string listed) => Assert.False(PeerOwner.MayAsk(
        new IPEndPoint(IPAddress.Parse(theirs), 0x1234), new IPEndPoint(IPAddress.Parse(ours), 8224), 1000, () => [$"{Head}{listed}:2020 {listed}:1234 01{Tail}1000        0 77 1 0 20"]));

    [Theory]
    [InlineData(1000, true)]
    [InlineData(1001, false)]
    public void End_that_was_passed_over_is_found_by_looking_again(int user, bool may)
    {
        const string Ours = "0100007F:2020 0100007F:1234";
        const string Theirs = "0100007F:1234 0100007F:2020";
        // Both missing, then theirs, as where other connections come and go while the tables are read.
        var looks = new Queue<string[]>([[], [Line(Ours, 1000)], [Line(Ours, 1000)], [Line(Ours, 1000), Line(Theirs, user)]]);

        Assert.Equal(may, PeerOwner.MayAsk(s_theirs, s_ours, 1000, looks.Dequeue));

        static string Line(string ends, int of) => $"{Head}{ends} 01{Tail}{of}        0 77 1 0 20";
    }

    [Fact]
    public void Connection_that_is_gone_is_refused() => Assert.False(PeerOwner.MayAsk(s_theirs, s_ours, 1000, () => []));

    [Fact]
    public void Machine_that_does_not_tell_refuses_nobody() => Assert.True(PeerOwner.MayAsk(s_theirs, s_ours, 1000, () => null));

    [Fact]
    public async Task Another_user_of_the_machine_gets_nothing_of_the_page_s_api()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root" || !File.Exists("/usr/bin/setpriv") || !File.Exists("/usr/bin/curl"))
        {
            Assert.Skip("Needs root on Linux, setpriv and curl.");
        }
        await using TestOperator system = await TestOperator.StartAsync();
        await using PageClient page = await PageClient.SetUpAsync(system, credits: 0, tokens: 0);

        Assert.Equal("403", await CurlAsync(page, "65534", "/app/wallet"));
        Assert.Equal("200", await CurlAsync(page, "0", "/app/wallet"));
        Assert.Equal("200", await CurlAsync(page, "65534", "/v1/models"));
        await page.PutAsync("/app/settings", """{"otherUsers":"allow"}""");
        Assert.Equal("200", await CurlAsync(page, "65534", "/app/wallet"));
    }

    private static async Task<string> CurlAsync(PageClient page, string user, string path)
    {
        var start = new ProcessStartInfo("/usr/bin/setpriv") { RedirectStandardOutput = true };
        foreach (string argument in (string[])["--reuid", user, "--clear-groups", "/usr/bin/curl", "-s", "-o", "/dev/null", "--max-time", "60", "--noproxy", "*", "-w", "%{http_code}", "-H", "Tacit-Page: 1", new Uri(page.Server.Address, path).ToString()])
        {
            start.ArgumentList.Add(argument);
        }
        using Process curl = Process.Start(start)!;
        string status = await curl.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await curl.WaitForExitAsync(TestContext.Current.CancellationToken);
        return status;
    }
}
