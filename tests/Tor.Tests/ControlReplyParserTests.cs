using System.Globalization;
using System.Text;
using Tacit.Tor.Control;

namespace Tacit.Tor.Tests;

public sealed class ControlReplyParserTests
{
    private static readonly int s_rounds = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 200_000 : 2_000;

    [Fact]
    public void Reply_of_one_line_is_read()
    {
        ControlReply reply = Assert.Single(Parse("250 OK\r\n"));
        Assert.Equal(250, reply.Status);
        Assert.Equal("OK", Assert.Single(reply.Lines).Text);
        Assert.True(reply.IsPositive);
        Assert.False(reply.IsEvent);
    }

    [Fact]
    public void Reply_of_several_lines_with_data_is_read()
    {
        ControlReply reply = Assert.Single(Parse("250-version=0.4.9\r\n250+circuit-status=\r\n1 BUILT\r\n..dot\r\n\r\n.\r\n250 OK\r\n"));
        Assert.Equal(3, reply.Lines.Count);
        Assert.Equal("0.4.9", reply.Value("version"));
        Assert.Equal("1 BUILT\n.dot\n", reply.Value("circuit-status"));
        Assert.Null(reply.Value("circuit"));
    }

    [Fact]
    public void Event_stands_beside_the_reply()
    {
        List<ControlReply> replies = Parse("650 STATUS_CLIENT NOTICE CIRCUIT_ESTABLISHED\r\n250 OK\r\n650-A\r\n650 OK\r\n");
        Assert.Equal([true, false, true], replies.Select(reply => reply.IsEvent));
    }

    [Theory]
    [InlineData("25 OK\r\n")]
    [InlineData("x50 OK\r\n")]
    [InlineData("250\r\n")]
    [InlineData("250=OK\r\n")]
    [InlineData("\r\n")]
    [InlineData("250-a\r\n650 b\r\n")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n")]
    public void What_is_no_reply_fails_for_good(string text)
    {
        var parser = new ControlReplyParser();
        List<ControlReply> replies = [];
        Assert.False(parser.TryFeed(Encoding.Latin1.GetBytes(text), replies));
        Assert.False(parser.TryFeed("250 OK\r\n"u8, replies));
        Assert.Empty(replies);
    }

    [Fact]
    public void Endless_line_and_endless_reply_fail_within_their_bounds()
    {
        byte[] piece = Encoding.ASCII.GetBytes(new string('x', 1000));
        Assert.InRange(FedUntilFailure(new ControlReplyParser(10_000, 1_000_000), "250 "u8.ToArray(), piece), 9_000, 11_000);
        Assert.InRange(FedUntilFailure(new ControlReplyParser(10_000, 100_000), [], "250-a\r\n"u8.ToArray()), 90_000, 120_000);
        Assert.InRange(FedUntilFailure(new ControlReplyParser(10_000, 100_000), "250+a\r\n"u8.ToArray(), "\n"u8.ToArray()), 90_000, 120_000);
    }

    [Fact]
    public void However_it_is_cut_the_same_is_read()
    {
        const string Whole = "250-a=b\r\n250+data=\r\nline\r\n..\r\n.\r\n250 OK\r\n650 CIRC 1 BUILT\r\n515 Bad\r\n";
        string expected = Show(Parse(Whole));
        for (int cut = 1; cut < Whole.Length; cut++)
        {
            var parser = new ControlReplyParser();
            List<ControlReply> replies = [];
            foreach (byte[] piece in Encoding.Latin1.GetBytes(Whole).Chunk(cut))
            {
                Assert.True(parser.TryFeed(piece, replies));
            }
            Assert.Equal(expected, Show(replies));
        }
    }

    [Fact]
    public void Whatever_comes_the_parser_neither_throws_nor_grows()
    {
        // Reproducible: a failure names its seed.
        for (int seed = 0; seed < s_rounds; seed++)
        {
            uint state = unchecked(((uint)seed * 2654435761) + 1);
            var parser = new ControlReplyParser(512, 4096);
            List<ControlReply> replies = [];
            byte[] piece = new byte[64];
            for (int i = 0; i < 40; i++)
            {
                for (int j = 0; j < piece.Length; j++)
                {
                    state = unchecked((state * 1664525) + 1013904223);
                    // Mostly what the grammar is made of, so that every state is reached.
                    piece[j] = (state >> 28) < 13 ? "250 650-+.\r\n\"=\\aA1"u8[(int)((state >> 16) % 18)] : unchecked((byte)(state >> 20));
                }
                if (!parser.TryFeed(piece, replies))
                {
                    break;
                }
            }
            foreach (ControlReply reply in replies)
            {
                foreach (ControlLine line in reply.Lines)
                {
                    _ = ControlWords.Parse(line.Text);
                    _ = TorEvents.Circuit(line.Text);
                    _ = TorEvents.Connection(line.Text);
                }
            }
        }
    }

    private static int FedUntilFailure(ControlReplyParser parser, byte[] first, byte[] again)
    {
        List<ControlReply> replies = [];
        Assert.True(parser.TryFeed(first, replies));
        int fed = first.Length;
        while (parser.TryFeed(again, replies))
        {
            fed += again.Length;
            Assert.InRange(fed, 0, 1_000_000);
        }
        Assert.Empty(replies);
        return fed;
    }

    private static List<ControlReply> Parse(string text)
    {
        List<ControlReply> replies = [];
        Assert.True(new ControlReplyParser().TryFeed(Encoding.Latin1.GetBytes(text), replies));
        return replies;
    }

    private static string Show(List<ControlReply> replies) => string.Join('|', replies.Select(reply =>
        reply.Status.ToString(CultureInfo.InvariantCulture) + string.Concat(reply.Lines.Select(line => $"[{line.Text};{line.Data}]"))));
}
