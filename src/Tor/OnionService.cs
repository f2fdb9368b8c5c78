using System.Security.Cryptography;

namespace Tacit.Tor;

/// <summary>
/// An onion service that <see cref="TorService.PublishAsync"/> published. It comes back by itself when tor was restarted, and goes when it is disposed of, or with
/// the <see cref="TorService"/>. Connections that stand are not broken by that.
/// </summary>
public sealed class OnionService : IAsyncDisposable
{
    private readonly Func<OnionService, ValueTask> _withdraw;
    private readonly Lock _lock = new();
    private readonly HashSet<string> _pending = new(StringComparer.Ordinal);
    private readonly byte[] _privateKey;
    private TaskCompletionSource _published = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _launched;
    private int _uploaded;
    private bool _ended;

    internal OnionService(string serviceId, byte[] privateKey, OnionServiceOptions options, bool hasProofOfWork, Func<OnionService, ValueTask> withdraw)
    {
        ServiceId = serviceId;
        _privateKey = privateKey;
        Options = options;
        HasProofOfWork = hasProofOfWork;
        _withdraw = withdraw;
    }

    /// <summary><c>….onion</c>, 62 characters.</summary>
    public string Address => ServiceId + ".onion";

    /// <summary>
    /// <see cref="OnionServiceOptions.PrivateKeySizeInBytes"/> bytes: whoever has them is this service. Keep them encrypted to publish the same address again. Overwritten
    /// when the service is disposed of.
    /// </summary>
    public ReadOnlyMemory<byte> PrivateKey => _privateKey;

    /// <summary>Whether clients are asked for proof of work under load: wanted, and the tor program can do it (0.4.9.2, with the module <c>pow</c>).</summary>
    public bool HasProofOfWork { get; internal set; }

    /// <summary>Whether clients can find it now: enough directories have taken its descriptor.</summary>
    public bool IsPublished
    {
        get
        {
            lock (_lock)
            {
                return _published.Task.IsCompletedSuccessfully;
            }
        }
    }

    /// <summary>Address without <c>.onion</c>.</summary>
    internal string ServiceId { get; }

    internal OnionServiceOptions Options { get; }

    /// <summary>Waits until at least half of the onion service directories that are to have its descriptor took it.</summary>
    /// <exception cref="TorException">The service is gone, and with it the prospect.</exception>
    public Task WaitUntilPublishedAsync(CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            return _published.Task.WaitAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            if (_ended)
            {
                return;
            }
        }
        await _withdraw(this);
        End();
    }

    /// <summary>What became of the descriptor at one directory (control-spec, section 4.1.25).</summary>
    internal void Note(string action, string directory)
    {
        lock (_lock)
        {
            switch (action)
            {
                case "UPLOAD":
                    _launched = Math.Min(_launched + 1, int.MaxValue - 1);
                    if (_pending.Count < 1024)
                    {
                        _pending.Add(directory);
                    }
                    break;
                case "UPLOADED":
                    _pending.Remove(directory);
                    _uploaded = Math.Min(_uploaded + 1, int.MaxValue - 1);
                    break;
                case "FAILED":
                    _pending.Remove(directory);
                    break;
                default:
                    return;
            }
            if (_uploaded > 0 && (_pending.Count == 0 || _uploaded * 2L >= _launched))
            {
                _published.TrySetResult();
            }
        }
    }

    /// <summary>Tor was restarted: nothing is published any more.</summary>
    internal void Forget()
    {
        lock (_lock)
        {
            _pending.Clear();
            _launched = _uploaded = 0;
            if (_published.Task.IsCompleted && !_ended)
            {
                _published = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    /// <summary>The key, to be overwritten by the caller; null once the service has ended.</summary>
    internal byte[]? CopyKey()
    {
        lock (_lock)
        {
            return _ended ? null : [.. _privateKey];
        }
    }

    /// <summary>The service is no more.</summary>
    internal void End()
    {
        lock (_lock)
        {
            _ended = true;
            CryptographicOperations.ZeroMemory(_privateKey);
            if (!_published.TrySetException(new TorException(TorError.Died, "The onion service was ended before it was published.")))
            {
                return;
            }
            // Nobody may be waiting.
            _ = _published.Task.Exception;
        }
    }
}
