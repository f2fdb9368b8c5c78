using Tacit.Tor.Control;
using Tacit.Tor.Daemon;

namespace Tacit.Tor.Tests;

/// <summary>Statuses out of the events that control-spec documents (section 4.1.10), on a clock that the test moves.</summary>
public sealed class StatusBoardTests : IDisposable
{
    private static readonly TimeSpan s_stuckAfter = TimeSpan.FromMinutes(1);
    private readonly HandTime _time = new();
    private readonly StatusBoard _board;

    public StatusBoardTests()
    {
        _board = new StatusBoard(s_stuckAfter, hasBridges: false, _time);
        _board.Started("0.4.9.11");
    }

    public void Dispose() => _board.Dispose();

    [Fact]
    public void Progress_is_told_in_percent_and_tors_own_words()
    {
        Progress(14, "handshake", "Handshaking with a relay");
        Assert.Equal((TorState.Bootstrapping, 14, "handshake", "Handshaking with a relay", "0.4.9.11"),
            (_board.Status.State, _board.Status.Percent, _board.Status.Tag, _board.Status.Summary, _board.Status.Version));
        Assert.Equal("14 % (handshake): Handshaking with a relay", _board.Status.ToString());
        Progress(100, "done", "Done");
        Assert.Equal(TorState.Ready, _board.Status.State);
    }

    [Fact]
    public void Without_progress_it_is_stuck_and_with_progress_no_longer()
    {
        Progress(10, "conn_done", "Connected to a relay");
        _time.Advance(s_stuckAfter - TimeSpan.FromSeconds(1));
        Progress(10, "conn_done", "Connected to a relay");
        Assert.Equal(TorState.Bootstrapping, _board.Status.State);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((TorState.Stuck, TorError.Stuck), (_board.Status.State, _board.Status.Error));
        Assert.Contains("10 % (conn_done): Connected to a relay", _board.Stuck(_board.Status).Message, StringComparison.Ordinal);
        Progress(14, "handshake", "Handshaking with a relay");
        Assert.Equal((TorState.Bootstrapping, null), (_board.Status.State, _board.Status.Error));
        _time.Advance(s_stuckAfter);
        Assert.Equal(TorState.Stuck, _board.Status.State);
    }

    [Fact]
    public void Complaint_of_tor_is_in_the_message_and_decides_the_advice()
    {
        Note("STATUS_CLIENT WARN BOOTSTRAP PROGRESS=5 TAG=conn SUMMARY=\"Connecting to a relay\" WARNING=\"No route to host\" REASON=NOROUTE COUNT=1 RECOMMENDATION=warn HOSTID=\"X\" HOSTADDR=\"192.0.2.1:443\"");
        Assert.Equal("No route to host", _board.Status.Warning);
        _time.Advance(s_stuckAfter);
        TorException e = _board.Stuck(_board.Status);
        Assert.Contains("No route to host", e.Message, StringComparison.Ordinal);
        Assert.Contains("online", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("192.0.2.1", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_phase_has_its_advice()
    {
        Assert.Contains("Tor:Plugins", Advice.ForPhase("conn_done_pt", null, true), StringComparison.Ordinal);
        Assert.Contains("Socks5Proxy", Advice.ForPhase("conn_proxy", null, false), StringComparison.Ordinal);
        Assert.Contains("Tor:Bridges", Advice.ForPhase("conn", null, false), StringComparison.Ordinal);
        Assert.Contains("get new ones", Advice.ForPhase("handshake", null, true), StringComparison.Ordinal);
        Assert.Contains("directory", Advice.ForPhase("loading_descriptors", null, false), StringComparison.Ordinal);
        Assert.Contains("way through", Advice.ForPhase("circuit_create", null, false), StringComparison.Ordinal);
    }

    [Fact]
    public void Clock_that_is_days_off_is_said_at_once()
    {
        Note("STATUS_GENERAL WARN CLOCK_SKEW SKEW=-259200 SOURCE=OR:192.0.2.1:443");
        Assert.Equal((TorState.Stuck, TorError.ClockSkewed, TimeSpan.FromDays(-3)), (_board.Status.State, _board.Status.Error, _board.Status.ClockSkew));
        Assert.Contains("3 days behind", _board.Stuck(_board.Status).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Clock_that_is_hours_off_is_warned_of_and_blamed_if_nothing_moves()
    {
        Note("STATUS_GENERAL WARN CLOCK_SKEW SKEW=7200 SOURCE=DIRSERV:192.0.2.1:443");
        Progress(30, "loading_status", "Loading networkstatus consensus");
        Assert.Equal((TorState.Bootstrapping, TorError.ClockSkewed), (_board.Status.State, _board.Status.Error));
        _time.Advance(s_stuckAfter);
        Assert.Equal((TorState.Stuck, TorError.ClockSkewed), (_board.Status.State, _board.Status.Error));
        Assert.Contains("2 hours ahead", _board.Status.Advice, StringComparison.Ordinal);
        Progress(100, "done", "Done");
        Assert.Equal((TorState.Ready, null, null), (_board.Status.State, _board.Status.Error, _board.Status.ClockSkew));
    }

    [Theory]
    [InlineData("Received a bad CERTS cell: At least one certificate expired.")]
    [InlineData("Certificate already expired. Either their clock is set wrong, or your clock is wrong.")]
    [InlineData("Certificate not yet valid. Either their clock is set wrong, or your clock is wrong.")]
    [InlineData("Our clock is 3 days, 0 hours, 0 minutes behind the time published in the consensus network status document (2026-11-21 09:00:00 UTC).")]
    public void Clock_so_wrong_that_tor_only_logs_it_is_found(string line)
    {
        _board.NoteLog(line);
        _time.Advance(s_stuckAfter);
        Assert.Equal((TorState.Stuck, TorError.ClockSkewed), (_board.Status.State, _board.Status.Error));
    }

    [Theory]
    [InlineData("STATUS_GENERAL WARN CLOCK_SKEW SKEW=9223372036854775807 SOURCE=X")]
    [InlineData("STATUS_GENERAL WARN CLOCK_SKEW SKEW=-9223372036854775808 SOURCE=X")]
    [InlineData("STATUS_GENERAL WARN CLOCK_SKEW SKEW=many")]
    [InlineData("STATUS_GENERAL WARN CLOCK_SKEW")]
    [InlineData("STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=999999999999 TAG=\"a\\nb\" SUMMARY=x")]
    [InlineData("STATUS_CLIENT NOTICE BOOTSTRAP")]
    [InlineData("STATUS_CLIENT")]
    [InlineData("STATUS_CLIENT NOTICE SOMETHING_NEW A=B")]
    [InlineData("")]
    public void Odd_event_does_no_harm(string line)
    {
        Note(line);
        Assert.InRange(_board.Status.Percent, 0, 100);
        Assert.DoesNotContain('\n', _board.Status.ToString());
    }

    [Fact]
    public void Tor_that_ends_as_far_as_it_got_before_makes_no_progress()
    {
        for (int life = 0; life < 4 && _board.Status.State != TorState.Stuck; life++)
        {
            Progress(30, "loading_status", "Loading networkstatus consensus");
            _time.Advance(TimeSpan.FromSeconds(20));
            _board.Ended("Tor ended (exit code 137).");
            _board.Started("0.4.9.11");
        }
        _board.Ended("Tor ended (exit code 137).");
        Assert.Equal((TorState.Stuck, TorError.Died), (_board.Status.State, _board.Status.Error));
        Assert.Contains("again and again", _board.Stuck(_board.Status).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ready_tor_that_ends_has_its_time_anew()
    {
        Progress(100, "done", "Done");
        _time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(TorState.Ready, _board.Status.State);
        _board.Ended("Tor ended (exit code 137).");
        Assert.Equal((TorState.Restarting, TorError.Died), (_board.Status.State, _board.Status.Error));
        _time.Advance(s_stuckAfter - TimeSpan.FromSeconds(1));
        Assert.Equal(TorState.Restarting, _board.Status.State);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(TorState.Stuck, _board.Status.State);
    }

    [Fact]
    public void Silence_of_the_network_is_a_warning_while_ready()
    {
        Progress(100, "done", "Done");
        Note("NETWORK_LIVENESS DOWN");
        Assert.Equal(TorState.Ready, _board.Status.State);
        Assert.NotNull(_board.Status.Warning);
        Note("NETWORK_LIVENESS UP");
        Assert.Null(_board.Status.Warning);
    }

    [Fact]
    public async Task Readers_see_the_last_status_and_the_end()
    {
        List<TorStatus> seen = [];
        await using IAsyncEnumerator<TorStatus> reader = _board.WatchAsync(CancellationToken.None).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());
        seen.Add(reader.Current);
        Progress(5, "conn", "Connecting to a relay");
        Progress(10, "conn_done", "Connected to a relay");
        Assert.True(await reader.MoveNextAsync());
        Assert.Equal(10, reader.Current.Percent);
        _board.Stopped();
        Assert.True(await reader.MoveNextAsync());
        Assert.Equal(TorState.Stopped, reader.Current.State);
        Assert.False(await reader.MoveNextAsync());
        Progress(100, "done", "Done");
        Assert.Equal(TorState.Stopped, _board.Status.State);
    }

    private void Progress(int percent, string tag, string summary) =>
        Note(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS={percent} TAG={tag} SUMMARY=\"{summary}\""));

    private void Note(string line) => _board.Note(ControlWords.Parse(line));
}
