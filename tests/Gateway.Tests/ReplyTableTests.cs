using System.Security.Cryptography;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Replies;

namespace Tacit.Gateway.Tests;

/// <summary>The table of replies: one an id, in whichever of its parts.</summary>
public sealed class ReplyTableTests
{
    private const int Many = 1000;

    private readonly SealedBlocks _blocks = new();

    [Fact]
    public void Every_reply_is_found_by_its_id_and_counted_once()
    {
        var table = new ReplyTable();
        Reply[] replies = [.. Enumerable.Range(0, Many).Select(i => Make(i))];
        Assert.All(replies, reply => Assert.True(table.TryAdd(reply)));
        Assert.All(replies, reply => Assert.True(table.TryGetValue(reply.Id, out Reply? found) && ReferenceEquals(found, reply)));
        Assert.Equal(Many, table.Count);
        Assert.Equal(replies.ToHashSet(), table.Values.ToHashSet());
        foreach (Reply reply in replies[..(Many / 2)])
        {
            table.Remove(reply);
        }

        Assert.Equal(Many - (Many / 2), table.Count);
        Assert.Equal(replies[(Many / 2)..].ToHashSet(), table.Values.ToHashSet());
        table.Clear();
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public void One_that_has_gone_takes_no_other_of_its_id_along()
    {
        var table = new ReplyTable();
        Reply first = Make(1);
        Reply second = Make(1);
        Assert.True(table.TryAdd(first));
        Assert.False(table.TryAdd(second));
        table.Remove(second);
        Assert.True(table.TryGetValue(first.Id, out Reply? there));
        Assert.Same(first, there);
        table.Remove(first);
        Assert.True(table.TryAdd(second));
        table.Remove(first);
        Assert.True(table.TryGetValue(first.Id, out there));
        Assert.Same(second, there);
    }

    private Reply Make(int number) =>
        new(new SpendId(SHA256.HashData(BitConverter.GetBytes(number))), new byte[TokenKeys.RequestTagSizeInBytes], new byte[TokenKeys.KeySizeInBytes], 0, _blocks);
}
