using Tacit.Client.Transports;

namespace Tacit.Cli.Wallets;

/// <summary>Says how far Tor is while something waits for it.</summary>
internal sealed class TorReport(Terminal terminal) : IProgress<CarrierStatus>
{
    public void Report(CarrierStatus value)
    {
        if (value.State == CarrierState.Ready)
        {
            terminal.EndProgress();
        }
        else if (value.State != CarrierState.Idle)
        {
            terminal.Progress("Tor: " + value.Describe());
        }
    }
}
