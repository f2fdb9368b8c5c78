using System.Runtime.InteropServices;

namespace Tacit.Hosting;

/// <summary>
/// SIGINT and SIGTERM as a token: the first one asks for a graceful stop, a second one is left to the system and ends the process at once.
/// One per process; servers take the token and know nothing of signals.
/// </summary>
public sealed class ProcessSignals : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly PosixSignalRegistration[] _registrations;

    public ProcessSignals()
    {
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle)];
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Completes on the first signal, or throws when <paramref name="cancellationToken"/> is cancelled before.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken = default)
    {
        TaskCompletionSource signalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration first = _stopping.Token.Register(signalled.SetResult);
        await signalled.Task.WaitAsync(cancellationToken);
    }

    private void Handle(PosixSignalContext context)
    {
        if (!_stopping.IsCancellationRequested)
        {
            context.Cancel = true;
            _stopping.Cancel();
        }
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
        _stopping.Dispose();
    }
}
