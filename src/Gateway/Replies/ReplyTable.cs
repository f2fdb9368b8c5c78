using System.Diagnostics.CodeAnalysis;
using Tacit.Gateway.Admission;

namespace Tacit.Gateway.Replies;

/// <summary>
/// Replies by spend id, in parts with a lock each. A part fills its array from front to back. Ids are hashes, and in a table that places each where its hash falls the
/// collector, at every turn, reads again all that lies around what was added since: with a minute's replies kept, that was most of what it did.
/// </summary>
internal sealed class ReplyTable
{
    /// <summary>A power of two; enough that a part which grows holds up a few requests and no more.</summary>
    private const int Parts = 64;

    private readonly Part[] _parts = [.. Enumerable.Range(0, Parts).Select(static _ => new Part())];

    public int Count
    {
        get
        {
            int count = 0;
            foreach (Part part in _parts)
            {
                lock (part.Gate)
                {
                    count += part.Replies.Count;
                }
            }

            return count;
        }
    }

    /// <summary>What is there now, part by part.</summary>
    public IEnumerable<Reply> Values
    {
        get
        {
            foreach (Part part in _parts)
            {
                Reply[] replies;
                lock (part.Gate)
                {
                    replies = [.. part.Replies.Values];
                }

                foreach (Reply reply in replies)
                {
                    yield return reply;
                }
            }
        }
    }

    public bool TryGetValue(SpendId id, [NotNullWhen(true)] out Reply? reply)
    {
        Part part = PartOf(id);
        lock (part.Gate)
        {
            return part.Replies.TryGetValue(id, out reply);
        }
    }

    public bool TryAdd(Reply reply)
    {
        Part part = PartOf(reply.Id);
        lock (part.Gate)
        {
            return part.Replies.TryAdd(reply.Id, reply);
        }
    }

    /// <summary>Takes out this reply, and no other of the same id.</summary>
    public void Remove(Reply reply)
    {
        Part part = PartOf(reply.Id);
        lock (part.Gate)
        {
            if (part.Replies.TryGetValue(reply.Id, out Reply? there) && ReferenceEquals(there, reply))
            {
                part.Replies.Remove(reply.Id);
            }
        }
    }

    public void Clear()
    {
        foreach (Part part in _parts)
        {
            lock (part.Gate)
            {
                part.Replies.Clear();
            }
        }
    }

    // By other bits than those that a part places it by.
    private Part PartOf(SpendId id) => _parts[id.GetHashCode() >>> 26];

    private sealed class Part
    {
        public Lock Gate { get; } = new();

        public Dictionary<SpendId, Reply> Replies { get; } = [];
    }
}
