using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Fuzz;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Law 5 on the way back, and server-sent events whatever pieces they come in.</summary>
public sealed class ReplyLawTests
{
    private static readonly string[] s_listed = ["id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "moderation", "obfuscation", "error"];

    private static readonly Gen<string> s_values = Gen.Elements(
        "1", "null", "\"x\\u00e9\"", "\"é\"", "[]", "{}", """{"x":{"user":[1,{"id":2}]}}""", "[ {\"user\":1} , 2 ]", "-1.50e3", "\"},{\\\"\"");

    private static readonly Gen<string> s_objects =
        from members in Gen.ArrayOf(
            from name in Gen.Frequency((3, Gen.Elements(s_listed)), (2, Gen.Elements("user", "metadata", "x", "", "choice", "trace")))
            from value in s_values
            from space in Gen.Elements("", " ", "\t")
            select (Name: name, Text: $"{space}\"{name}\"{space}:{space}{value}{space}"))
        from space in Gen.Elements("", " ")
        select $"{{{string.Join(",", members.DistinctBy(member => member.Name).Select(member => member.Text))}{space}}}";

    private static readonly Gen<string> s_lines = Gen.Frequency(
        (6, s_objects.Select(json => "data: " + json)),
        (2, Gen.Elements("data: {\"id\":1,", "data: \"x\":[]}", "data:{}", "data", "data:", "data: x", "data: []", "data: [DONE]")),
        (2, Gen.Elements("event: response.created", "event:e", "event", ": comment", "id: 1", "retry: 5", "unknown", "unknown: x", "event: response.completed", ":", "data : x")),
        (5, Gen.Constant("")));

    private static readonly Gen<string> s_streams =
        from mark in Gen.Frequency((9, Gen.Constant("")), (1, Gen.Constant("\uFEFF")))
        from lines in Gen.ArrayOf(from line in s_lines from end in Gen.Frequency((6, Gen.Constant("\n")), (3, Gen.Constant("\r\n")), (1, Gen.Constant("\r"))) select line + end)
        select mark + string.Concat(lines);

    [Fact]
    public void Reply_keeps_exactly_its_listed_members() =>
        Property.Holds(s_objects, json =>
        {
            using var output = new SensitiveBuffer();
            Assert.True(ReplyFilter.TryFilter(Encoding.UTF8.GetBytes(json), ReplyShapes.OfReply(Operation.ChatCompletions), output), json);
            string filtered = Encoding.UTF8.GetString(output.WrittenSpan);
            var before = Members(json).Where(member => s_listed.Contains(member.Key));
            Assert.Equal(before, Members(filtered));
            Assert.True(Members(json).Count != Members(filtered).Count || filtered == json);
        });

    [Fact]
    public void Events_come_out_the_same_whatever_pieces_they_come_in() =>
        Property.Holds(
            from stream in s_streams
            from cuts in Gen.ArrayOf(Gen.Choose(0, Encoding.UTF8.GetByteCount(stream)))
            select (stream, cuts),
            sample =>
            {
                byte[] bytes = Encoding.UTF8.GetBytes(sample.stream);
                string whole = Parse(bytes, [], out bool broken, out bool done);
                Assert.Equal(whole, Parse(bytes, [.. sample.cuts.Order()], out bool brokenInPieces, out bool doneInPieces));
                Assert.Equal((broken, done), (brokenInPieces, doneInPieces));
                Assert.Equal(whole, Parse(bytes, [.. Enumerable.Range(0, bytes.Length)], out _, out _));

                // What came out is a stream of plain events: it goes through again unchanged.
                Assert.Equal(whole, Parse(Encoding.UTF8.GetBytes(whole), [], out broken, out _));
                Assert.False(broken);
            });

    [Fact]
    public void Mutated_streams_end_in_events_or_a_refusal()
    {
        byte[][] corpus = [.. Gen.Sample(s_streams, 60).Select(Encoding.UTF8.GetBytes), .. Gen.Sample(s_objects, 20).Select(json => Encoding.UTF8.GetBytes($"data: {json}\n\n"))];
        long count = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 2_000_000 : 20_000;
        var target = new FuzzTarget("event-stream", corpus, bytes =>
        {
            string events = Parse(bytes, [], out _, out _);
            foreach (string line in events.Split('\n', '\r'))
            {
                Assert.True(
                    line.Length == 0 || line.StartsWith("event", StringComparison.Ordinal) || line.StartsWith("data", StringComparison.Ordinal), line);
            }

            return events.Length > 0;
        });
        Assert.True(target.RunMany(2, count, limit: null, TimeProvider.System).Taken > 0);
    }

    private static List<KeyValuePair<string, string>> Members(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return [.. document.RootElement.EnumerateObject().Select(member => KeyValuePair.Create(member.Name, member.Value.GetRawText()))];
    }

    /// <summary>Feeds the bytes in pieces cut at these places.</summary>
    private static string Parse(byte[] bytes, int[] cuts, out bool broken, out bool done)
    {
        var parser = new EventParser(ReplyShapes.OfEvent(Operation.ChatCompletions));
        using var received = new SensitiveBuffer(16);
        using var output = new SensitiveBuffer(16);
        int from = 0;
        foreach (int cut in cuts.Append(bytes.Length))
        {
            received.Write(bytes.AsSpan(from, cut - from));
            parser.TakeWhole(received, output, isEnd: false);
            from = cut;
        }

        parser.TakeWhole(received, output, isEnd: true);

        broken = parser.IsBroken;
        done = parser.IsDone;
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }
}
