using Tacit.Gateway.Tests.Support;

namespace Tacit.App.Tests.Chats;

public sealed class LiveTextTests : IDisposable
{
    private readonly FakeTime _time = new(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));
    private readonly List<(int Offset, string Piece, bool IsReasoning)> _told = [];
    private LiveText? _text;

    public void Dispose() => _text?.Dispose();

    [Fact]
    public void The_first_piece_is_told_at_once_and_those_that_follow_together()
    {
        LiveText text = Begin();
        text.Append("a", false);
        Assert.Equal([(0, "a", false)], _told);

        text.Append("b", false);
        text.Append("c", false);
        text.Append("why", true);
        Assert.Single(_told);
        _time.Advance(LiveText.Interval);
        Assert.Equal([(0, "a", false), (0, "why", true), (1, "bc", false)], _told);
    }

    [Fact]
    public void A_piece_after_a_pause_is_told_at_once()
    {
        LiveText text = Begin();
        text.Append("a", false);
        _time.Advance(LiveText.Interval);
        text.Append("b", false);
        Assert.Equal([(0, "a", false), (1, "b", false)], _told);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, _told.Count);
    }

    [Fact]
    public void What_waits_is_told_at_the_end_and_only_once()
    {
        LiveText text = Begin();
        text.Append("a", false);
        text.Append("b", false);
        text.Flush();
        _time.Advance(TimeSpan.FromSeconds(1));
        text.Flush();
        Assert.Equal([(0, "a", false), (1, "b", false)], _told);
        Assert.Equal(("ab", null), text.Current);
    }

    [Fact]
    public void What_was_there_is_not_told_again_but_counted_and_forgotten_by_a_new_beginning()
    {
        LiveText text = Begin("before", "thought");
        text.Append("!", false);
        Assert.Equal([(6, "!", false)], _told);
        Assert.Equal(("before!", "thought"), text.Current);

        Assert.True(text.Restart());
        Assert.False(text.Restart());
        _time.Advance(LiveText.Interval);
        text.Append("anew", false);
        Assert.Equal((0, "anew", false), _told[^1]);
        Assert.Equal(("anew", null), text.Current);
    }

    private LiveText Begin(string text = "", string? reasoning = null) => _text = new LiveText(text, reasoning, (offset, piece, isReasoning) => _told.Add((offset, piece, isReasoning)), _time);
}
