using System.Buffers;
using FsCheck.Fluent;

namespace Tacit.Protocol.Tests;

public sealed class SensitiveBufferTests
{
    [Fact]
    public void Buffer_holds_what_was_written_through_any_door() =>
        Property.Holds(
            Gen.ArrayOf(Property.BytesUpTo(300)),
            pieces =>
            {
                using SensitiveBuffer buffer = new(16);
                for (int i = 0; i < pieces.Length; i++)
                {
                    switch (i % 3)
                    {
                        case 0:
                            buffer.Write(pieces[i]);
                            break;
                        case 1:
                            pieces[i].CopyTo(buffer.GetSpan(pieces[i].Length));
                            buffer.Advance(pieces[i].Length);
                            break;
                        default:
                            pieces[i].CopyTo(buffer.GetMemory(pieces[i].Length));
                            buffer.Advance(pieces[i].Length);
                            break;
                    }
                }

                Assert.Equal(pieces.SelectMany(piece => piece).ToArray(), buffer.WrittenSpan);
                Assert.Equal(buffer.WrittenSpan, buffer.WrittenMemory.Span);
            });

    [Fact]
    public void Bytes_are_wiped_when_the_buffer_grows_is_cut_or_disposed()
    {
        SensitiveBuffer buffer = new(64);
        buffer.Write(Enumerable.Repeat((byte)7, 40).ToArray());
        ReadOnlyMemory<byte> first = buffer.WrittenMemory;

        buffer.Write(new byte[buffer.Capacity]);
        Assert.False(first.Span.ContainsAnyExcept((byte)0), "grown");

        ReadOnlyMemory<byte> second = buffer.WrittenMemory;
        Assert.Equal(7, second.Span[39]);
        buffer.Truncate(10);
        Assert.False(second.Span[10..40].ContainsAnyExcept((byte)0), "cut");
        Assert.Equal(10, buffer.WrittenCount);

        buffer.Dispose();
        Assert.False(second.Span.ContainsAnyExcept((byte)0), "disposed");
        Assert.Throws<ObjectDisposedException>(() => buffer.GetSpan());
        Assert.Throws<ObjectDisposedException>(() => buffer.WrittenMemory);
    }

    [Fact]
    public void Clear_wipes_lent_bytes_that_were_never_advanced_over()
    {
        using SensitiveBuffer buffer = new(64);
        Memory<byte> lent = buffer.GetMemory(32);
        lent.Span[..32].Fill(9);

        buffer.Clear();

        Assert.False(lent.Span.ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void First_bytes_can_be_removed()
    {
        using SensitiveBuffer buffer = new();
        buffer.Write("abcdef"u8);
        ReadOnlyMemory<byte> all = buffer.WrittenMemory;

        buffer.RemoveFirst(4);

        Assert.Equal("ef"u8, buffer.WrittenSpan);
        Assert.False(all.Span[2..].ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Advance_past_what_was_lent_is_refused()
    {
        using SensitiveBuffer buffer = new(16);

        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Advance(buffer.Capacity + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Advance(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Truncate(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.RemoveFirst(1));
    }

    [Fact]
    public void Buffer_prints_nothing()
    {
        using SensitiveBuffer buffer = new();
        buffer.Write("secret"u8);

        Assert.Equal("[scrubbed]", buffer.ToString());
    }
}
