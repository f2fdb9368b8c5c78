using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// The system's clock, shifted: it ticks, timers take as long as they take, and somebody can set it on. Begins at noon in the middle of the current quarter,
/// so that no plan's period and no quarter of a 0xDA7A key ends by itself while a test runs.
/// </summary>
internal sealed class ShiftedTime : TimeProvider
{
    private long _shift;

    public ShiftedTime()
    {
        DateTimeOffset now = System.GetUtcNow();
        Today = new DateTimeOffset(now.Year, ((now.Month - 1) / 3 * 3) + 2, 15, 0, 0, 0, TimeSpan.Zero);
        SetTo(Today.AddHours(12));
    }

    /// <summary>Midnight before the beginning.</summary>
    public DateTimeOffset Today { get; }

    /// <summary>A time at which the keys of two daily periods are live and those of the first are due for exchange.</summary>
    public DateTimeOffset InOverlap => Period.Containing(PeriodKind.Day, Today).Next.IssueFrom.AddMinutes(30);

    public void SetTo(DateTimeOffset time) => Interlocked.Exchange(ref _shift, (time - System.GetUtcNow()).Ticks);

    /// <summary>Sets the clock to <see cref="InOverlap"/> and starts issuer and gateway anew, so that they need not wait for their next look at the keys.</summary>
    public async Task EnterOverlapAsync(WholeSystem system, Interposer issuer, Interposer gateway)
    {
        SetTo(InOverlap);
        await system.Signer.RotateAsync(CancellationToken.None);
        await system.StopGatewayAsync();
        await system.Issuer.DisposeAsync();
        await system.StartIssuerAsync();
        await system.StartGatewayAsync();
        issuer.Target = system.Issuer.Address;
        gateway.Target = system.Gateway.Address;
    }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddTicks(Interlocked.Read(ref _shift));
}
