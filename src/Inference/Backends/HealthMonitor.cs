namespace Tacit.Inference;

/// <summary>Looks at one backend again and again, and tells the pool what it found.</summary>
internal sealed class HealthMonitor : IAsyncDisposable
{
    private readonly HealthOptions _options;
    private readonly HealthProbe _probe;
    private readonly Action<HealthFinding> _tell;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _running;

    /// <param name="tell">Gets every finding, from one thread at a time.</param>
    public HealthMonitor(HealthOptions options, HealthProbe probe, Action<HealthFinding> tell, TimeProvider time)
    {
        _options = options;
        _probe = probe;
        _tell = tell;
        _time = time;
        _running = Task.Run(RunAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _running;
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                _tell(await LookAsync());
                await Task.Delay(_options.Interval, _time, _stopping.Token);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
    }

    private async Task<HealthFinding> LookAsync()
    {
        using var limit = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stopping.Token);
        try
        {
            return await _probe.LookAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
        {
            return new HealthFinding(BackendFault.Timeout);
        }
    }
}
