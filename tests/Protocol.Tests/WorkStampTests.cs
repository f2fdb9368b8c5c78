using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FsCheck.Fluent;

namespace Tacit.Protocol.Tests;

public sealed class WorkStampTests
{
    private static readonly byte[] s_challenge = [.. Enumerable.Range(1, 16).Select(i => (byte)i)];

    [Fact]
    public void Bits_are_those_of_the_hash_that_the_page_gives()
    {
        byte[] digest = new byte[32];
        WorkStamp.DigestOf("/v1/chat/completions"u8, "{}"u8, digest);
        Assert.Equal(SHA256.HashData("/v1/chat/completions\0{}"u8), digest);
        for (ulong counter = 0; counter < 300; counter++)
        {
            byte[] hash = SHA256.HashData([.. "tacit work v1"u8, .. s_challenge, .. digest, .. BitConverter.GetBytes(counter).Reverse()]);
            string bits = string.Concat(hash.Select(b => Convert.ToString(b, 2).PadLeft(8, '0')));

            Assert.Equal(bits.IndexOf('1', StringComparison.Ordinal), new WorkStamp(s_challenge, counter).CountBits(digest, out _));
        }
    }

    [Fact]
    public void Solver_finds_a_stamp_for_this_digest_and_goes_on_where_it_stopped()
    {
        byte[] digest = SHA256.HashData("a"u8);
        var stamp = new WorkStamp(s_challenge, ulong.MaxValue - 3);
        int rounds = 1;
        while (!stamp.TrySolve(digest, 12, 100, out stamp))
        {
            rounds++;
        }

        Assert.True(stamp.CountBits(digest, out UInt128 name) >= 12);
        Assert.True(stamp.IsFor(s_challenge));
        Assert.True(rounds < 100_000);
        stamp.CountBits(SHA256.HashData("b"u8), out UInt128 other);
        Assert.NotEqual(name, other);
    }

    [Fact]
    public void Stamp_reads_what_it_writes_and_nothing_else() => Property.HoldsForFormat(
        from challenge in Property.BytesOf(16)
        from counter in Property.BytesOf(8)
        select Encoding.ASCII.GetBytes(new WorkStamp(challenge, BitConverter.ToUInt64(counter)).ToString()),
        bytes => WorkStamp.TryParse(Encoding.Latin1.GetString(bytes), out WorkStamp stamp) ? Encoding.ASCII.GetBytes(stamp.ToString()) : null);

    [Fact]
    public void Announcement_is_read_from_the_error_that_carries_it()
    {
        ApiError error = ApiError.Create(ErrorCodes.WorkRequired, "x") with { Work = new WorkAnnouncement(s_challenge, 17, 1_800_000_000) };

        Assert.Equal(428, error.Status);
        Assert.True(WorkAnnouncement.TryReadError(error.Encode(), out WorkAnnouncement? work));
        Assert.Equal(s_challenge, work.Challenge.ToArray());
        Assert.Equal((17, 1_800_000_000), (work.Bits, work.Until));
        Assert.False(WorkAnnouncement.TryReadError(ApiError.Create(ErrorCodes.WorkRequired, "x").Encode(), out _));
        Assert.False(WorkAnnouncement.TryReadError("[1"u8.ToArray(), out _));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","bits":-1,"until":1}""")]
    [InlineData("""{"challenge":"AAAA","bits":1,"until":1}""")]
    [InlineData("""{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","bits":1.5,"until":1}""")]
    [InlineData("""{"challenge":"AAAAAAAAAAAAAAAAAAAAAA","bits":1,"until":"1"}""")]
    public void Announcement_of_another_form_is_refused(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);

        Assert.False(WorkAnnouncement.TryRead(document.RootElement, out _));
    }
}
