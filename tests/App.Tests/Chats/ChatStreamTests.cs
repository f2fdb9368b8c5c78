using System.Text;

namespace Tacit.App.Tests.Chats;

public sealed class ChatStreamTests
{
    private const string Stream =
        ": a comment\r\n\r\nevent: x\r\nid: 1\r\ndata: {\"choices\":[{\"delta\":{\"reasoning_content\":\"Hm. \"}}]}\r\n\r\n"
        + "data:{\"choices\":[{\"delta\":{\"content\":\"Grüße \"}}]}\n\n"
        + "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"in two lines \"}}]}\n\n"
        + "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"in parts\"}]}}]}\r\r"
        + "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n"
        + "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n"
        + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";

    [Fact]
    public void A_stream_says_the_same_however_it_is_cut()
    {
        byte[] bytes = [0xef, 0xbb, 0xbf, .. Encoding.UTF8.GetBytes(Stream)];
        for (int size = 1; size <= bytes.Length; size += size < 20 ? 1 : 37)
        {
            (string text, string reasoning, ChatStream stream) = Read(bytes.Chunk(size));
            using (stream)
            {
                Assert.Equal("Hm. ", reasoning);
                Assert.Equal("Grüße in two lines in parts\n\nTool call: look\n\n````json\n{\"a\":1}\n````\n\n", text);
                Assert.Equal(("tool_calls", true, new MessageUsage(3, 4)), (stream.FinishReason, stream.IsWhole, stream.Usage));
                Assert.Null(stream.Error);
            }
        }
    }

    [Theory]
    [InlineData("data: {\"choices\":{}}")]
    [InlineData("data: {\"choices\":[1,null,[]]}")]
    [InlineData("data: {\"choices\":[{\"delta\":{\"content\":7,\"reasoning_content\":{},\"tool_calls\":[0,{\"index\":-1},{\"index\":1e99}]}}],\"usage\":{\"prompt_tokens\":-1}}")]
    [InlineData("data: {\"choices\":[{\"delta\":{\"content\":\"\\ud800\"}}]}")]
    [InlineData("data: {\"choice\\ud800 \":1}")]
    [InlineData("data: {")]
    [InlineData("data: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")]
    [InlineData("data")]
    [InlineData("data: \0\u0001")]
    [InlineData("dataset: {}")]
    public void An_event_of_another_form_is_passed_over(string line)
    {
        (string text, _, ChatStream stream) = Read([Encoding.UTF8.GetBytes(line + "\n\n" + ChatTest.Piece("after"))]);
        using (stream)
        {
            Assert.EndsWith("after", text, StringComparison.Ordinal);
            Assert.Null(stream.Error);
            Assert.False(stream.IsWhole);
        }
    }

    /// <summary>A stream with bytes changed, left out and put in at places that do not change from run to run.</summary>
    [Fact]
    public void A_spoiled_stream_is_read_to_its_end_without_an_exception()
    {
        int rounds = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 200_000 : 2_000;
        byte[] whole = Encoding.UTF8.GetBytes(Stream);
        uint state = 1;
        for (int round = 0; round < rounds; round++)
        {
            List<byte> spoiled = [.. whole];
            for (int i = Next(6); i >= 0; i--)
            {
                int at = Next(spoiled.Count);
                switch (Next(4))
                {
                    case 0:
                        spoiled.RemoveAt(at);
                        break;
                    case 1:
                        spoiled.Insert(at, "\"{}[]:,\\\n"u8[Next(9)]);
                        break;
                    case 2:
                        spoiled.RemoveRange(at, Math.Min(Next(40), spoiled.Count - at));
                        break;
                    default:
                        spoiled[at] = (byte)Next(256);
                        break;
                }
            }
            (_, _, ChatStream stream) = Read(spoiled.ToArray().Chunk(1 + Next(200)));
            stream.Dispose();
        }

        int Next(int below) => (int)((state = unchecked((state * 1664525) + 1013904223)) >> 8) % below;
    }

    [Fact]
    public void An_event_without_end_ends_the_reading_and_fills_no_memory()
    {
        using var stream = new ChatStream((_, _) => { });
        byte[] block = new byte[64 * 1024];
        block.AsSpan().Fill((byte)'x');
        int fed = 0;
        while (stream.Feed(block))
        {
            Assert.True(++fed <= EventReader.MaxEventBytes / block.Length);
        }
    }

    [Fact]
    public void Lines_of_data_without_end_end_the_reading_too()
    {
        using var stream = new ChatStream((_, _) => { });
        byte[] lines = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("data: 0123456789\n", 4096)));
        int fed = 0;
        while (stream.Feed(lines))
        {
            Assert.True(++fed <= 2 * EventReader.MaxEventBytes / lines.Length);
        }
    }

    [Fact]
    public void An_error_event_is_told_with_its_code()
    {
        (_, _, ChatStream stream) = Read([Encoding.UTF8.GetBytes("event: error\ndata: {\"error\":{\"message\":\"Too hot.\",\"code\":\"overheated\"}}\n\n")]);
        using (stream)
        {
            Assert.Equal(("overheated", "Too hot."), stream.Error);
        }
    }

    [Theory]
    [InlineData("", "New chat")]
    [InlineData(" \n\t\n", "New chat")]
    [InlineData("## **Why** is `the` sky_blue?\nSecond", "Why is the skyblue?")]
    [InlineData("12345678901234567890123456789012345678901234567890 12345678 and more words here", "12345678901234567890123456789012345678901234567890 12345678…")]
    public void A_title_is_the_beginning_of_the_question(string question, string title) => Assert.Equal(title, ChatTitle.From(question));

    [Fact]
    public void A_title_is_never_cut_within_a_character()
    {
        string title = ChatTitle.From(string.Concat(Enumerable.Repeat("\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67", 40)));
        Assert.False(char.IsHighSurrogate(title[^2]));
        Assert.InRange(title.Length, 10, 70);
    }

    private static (string Text, string Reasoning, ChatStream Stream) Read(IEnumerable<byte[]> blocks)
    {
        var text = new StringBuilder();
        var reasoning = new StringBuilder();
        var stream = new ChatStream((piece, isReasoning) => (isReasoning ? reasoning : text).Append(piece));
        foreach (byte[] block in blocks)
        {
            Assert.True(stream.Feed(block));
        }
        stream.End();
        return (text.ToString(), reasoning.ToString(), stream);
    }
}
