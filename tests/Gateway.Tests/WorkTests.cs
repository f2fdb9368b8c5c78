using System.Security.Cryptography;
using Tacit.Gateway.Tests.Support;
using Tacit.Gateway.Work;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

public sealed class WorkTests
{
    private const int Bits = 8;

    private static readonly byte[] s_secret = new byte[WorkGate.SecretSizeInBytes];
    private static readonly byte[] s_digest = SHA256.HashData("a request"u8);

    private readonly FakeTime _time = new(new DateTimeOffset(2026, 11, 21, 6, 0, 0, TimeSpan.Zero));
    private WorkLoad _load;

    [Fact]
    public async Task Stamp_is_taken_once_for_its_request_alone()
    {
        await using WorkGate gate = Gate();
        string stamp = Solve(gate.Announce(), s_digest);

        Assert.Equal(WorkVerdict.Missing, gate.Judge(s_digest, null));
        Assert.Equal(WorkVerdict.Missing, gate.Judge(s_digest, stamp + "A"));
        Assert.Equal(WorkVerdict.TooEasy, gate.Judge(DigestThatIsTooEasyFor(stamp), stamp));
        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, stamp));
        Assert.Equal(WorkVerdict.Reused, gate.Judge(s_digest, stamp));
        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, Solve(gate.Announce(), s_digest)));
    }

    [Fact]
    public async Task Stamp_with_too_few_bits_is_refused_with_the_work_that_is_asked_for()
    {
        await using WorkGate gate = Gate();
        WorkAnnouncement asked = gate.Announce();
        var stamp = new WorkStamp(asked.Challenge.Span, 0);
        while (stamp.CountBits(s_digest, out _) != Bits - 1)
        {
            stamp = new WorkStamp(asked.Challenge.Span, stamp.Counter + 1);
        }

        ApiError? error = gate.Check(s_digest, stamp.ToString());

        Assert.Equal(ErrorCodes.WorkRequired, error?.Code);
        Assert.True(WorkAnnouncement.TryReadError(error!.Encode(), out WorkAnnouncement? told));
        Assert.Equal((asked.Bits, asked.Until), (told.Bits, told.Until));
        Assert.Equal(asked.Challenge.ToArray(), told.Challenge.ToArray());
    }

    [Fact]
    public async Task Challenge_is_taken_to_the_second_that_was_announced_and_no_longer()
    {
        await using WorkGate gate = Gate();
        WorkAnnouncement asked = gate.Announce();
        string first = Solve(asked, s_digest);
        string second = Solve(asked, s_digest);

        _time.Advance(DateTimeOffset.FromUnixTimeSeconds(asked.Until - 1) - _time.GetUtcNow());
        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, first));
        Assert.Equal(WorkVerdict.Reused, gate.Judge(s_digest, first));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(WorkVerdict.Expired, gate.Judge(s_digest, second));
    }

    [Fact]
    public async Task Instances_that_share_the_secret_take_each_others_challenges()
    {
        await using WorkGate one = Gate();
        await using WorkGate other = Gate();
        await using WorkGate stranger = new(Options, [.. Enumerable.Repeat((byte)1, 32)], () => default, _time);
        string stamp = Solve(one.Announce(), s_digest);

        Assert.Equal(WorkVerdict.Enough, other.Judge(s_digest, stamp));
        Assert.Equal(WorkVerdict.Expired, stranger.Judge(s_digest, stamp));
    }

    [Fact]
    public async Task Memory_of_stamps_is_bounded_and_takes_nothing_more_once_it_is_full()
    {
        await using var gate = new WorkGate(Options, s_secret, () => default, _time, maxRemembered: 2);

        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, Solve(gate.Announce(), s_digest)));
        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, Solve(gate.Announce(), s_digest)));
        Assert.Equal(WorkVerdict.Full, gate.Judge(s_digest, Solve(gate.Announce(), s_digest)));
        _time.Advance(Options.Epoch);
        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, Solve(gate.Announce(), s_digest)));
    }

    [Fact]
    public async Task Same_stamp_is_taken_once_however_many_bring_it_at_a_time()
    {
        await using WorkGate gate = Gate();
        string stamp = Solve(gate.Announce(), s_digest);

        WorkVerdict[] verdicts = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(() => gate.Judge(s_digest, stamp))));

        Assert.Single(verdicts, verdict => verdict == WorkVerdict.Enough);
        Assert.Equal(31, verdicts.Count(verdict => verdict == WorkVerdict.Reused));
    }

    [Fact]
    public void Difficulty_rises_with_any_part_of_the_load_and_falls_only_after_a_while_of_calm()
    {
        var options = new WorkOptions { MaxBits = 13 };
        var difficulty = new WorkDifficulty(options);
        var bits = new List<int> { difficulty.Bits };
        foreach (WorkLoad load in new WorkLoad[] { new(0.9, 0, 0), new(0, 0.8, 0), new(0, 0, 2), new(1, 1, 1), new(1, 1, 1) })
        {
            difficulty.Look(load);
            bits.Add(difficulty.Bits);
        }

        Assert.Equal([0, 10, 11, 12, 13, 13], bits);
        Look(new WorkLoad(0.7, 0, 0), 100);
        Assert.Equal(13, difficulty.Bits);
        Look(default, 9);
        Assert.Equal(13, difficulty.Bits);
        Look(new WorkLoad(0.6, 0, 0), 1);
        Look(default, 9);
        Assert.Equal(13, difficulty.Bits);
        Look(default, 1);
        Assert.Equal(12, difficulty.Bits);
        Look(default, 30);
        Assert.Equal(0, difficulty.Bits);

        void Look(WorkLoad load, int times)
        {
            for (int i = 0; i < times; i++)
            {
                difficulty.Look(load);
            }
        }
    }

    [Fact]
    public async Task What_was_announced_is_enough_for_a_while_after_a_rise_and_less_is_not()
    {
        await using var gate = new WorkGate(new WorkOptions { For = [WorkKinds.Device] }, s_secret, () => _load, _time);
        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, null));

        _load = new WorkLoad(1, 0, 0);
        gate.Look();
        Assert.Equal(10, gate.Announce().Bits);
        Assert.Equal(WorkVerdict.Enough, gate.Judge(s_digest, null));
        _load = new WorkLoad(0.6, 0, 0);
        for (int i = 0; i < 29; i++)
        {
            gate.Look();
        }

        Assert.Equal(WorkVerdict.Missing, gate.Judge(s_digest, null));
        Assert.Null(gate.Check(WorkKinds.Token, s_digest, null));
        Assert.NotNull(gate.Check(WorkKinds.Device, s_digest, null));
    }

    private static WorkOptions Options => new() { For = [WorkKinds.Sealed, WorkKinds.Device], MinBits = Bits };

    private WorkGate Gate() => new(Options, s_secret, () => _load, _time);

    private static string Solve(WorkAnnouncement asked, byte[] digest)
    {
        var stamp = new WorkStamp(asked.Challenge.Span, BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)));
        while (!stamp.TrySolve(digest, asked.Bits, 1 << 16, out stamp))
        {
        }

        return stamp.ToString();
    }

    private static byte[] DigestThatIsTooEasyFor(string text)
    {
        Assert.True(WorkStamp.TryParse(text, out WorkStamp stamp));
        byte[] digest = s_digest;
        do
        {
            digest = SHA256.HashData(digest);
        }
        while (stamp.CountBits(digest, out _) >= Bits);
        return digest;
    }
}
