using Tacit.Client;

namespace Tacit.App.Wallets;

/// <summary>What is asked of the client: each a use, while which it stays open.</summary>
public sealed partial class ClientHost
{
    public async Task<PromptReply> SendAsync(PromptRequest prompt, CancellationToken cancellationToken = default)
    {
        Use use = await EnterAsync(cancellationToken);
        try
        {
            PromptReply reply = await use.Sender.SendAsync(prompt, cancellationToken);
            reply.Disposed += use.Dispose;
            return reply;
        }
        catch
        {
            use.Dispose();
            throw;
        }
    }

    public async Task<ReadOnlyMemory<byte>> GetModelsAsync(CancellationToken cancellationToken = default)
    {
        using Use use = await EnterAsync(cancellationToken);
        return await use.Sender.GetModelsAsync(cancellationToken);
    }

    public async Task ForgetEndedAsync()
    {
        if (Mode != AppMode.Setup)
        {
            using Use use = await EnterAsync(CancellationToken.None, isLook: true);
            await use.Sender.ForgetEndedAsync();
        }
    }

    /// <summary>Does something with the wallet that may make connections: waits where settings are about to change.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.WalletMissing"/>, or the work's.</exception>
    public async Task<T> UseAsync<T>(Func<TacitClient, CancellationToken, Task<T>> work, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        using Use use = await EnterAsync(cancellationToken);
        return await work(use.Client, cancellationToken);
    }

    /// <summary>Looks at the wallet's own records, which makes no connection: does not wait for what is under way.</summary>
    /// <inheritdoc cref="UseAsync" path="/exception"/>
    public async Task<T> LookAsync<T>(Func<TacitClient, CancellationToken, Task<T>> look, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(look);
        using Use use = await EnterAsync(cancellationToken, isLook: true);
        return await look(use.Client, cancellationToken);
    }

    private async Task<Use> EnterAsync(CancellationToken cancellationToken, bool isLook = false)
    {
        bool looked = false;
        while (true)
        {
            Task wait;
            lock (_gate)
            {
                if (_disposed)
                {
                    throw SetupErrors.ShuttingDown();
                }
                if (_closed is null || (isLook && !_isExchanging))
                {
                    if (_failure is not null)
                    {
                        throw _failure;
                    }
                    if (_current is not { Wallet: null, Device: null })
                    {
                        _uses++;
                        return new Use(this, _current, isLook);
                    }
                    wait = Task.CompletedTask;
                }
                else
                {
                    wait = _closed.Task;
                }
            }
            if (wait.IsCompleted)
            {
                if (looked || !await LookForWalletAsync(cancellationToken))
                {
                    throw SetupErrors.NotSetUp(Page);
                }
                looked = true;
            }
            else
            {
                await wait.WaitAsync(cancellationToken);
            }
        }
    }

    private void Leave(bool isLook)
    {
        lock (_gate)
        {
            if (--_uses == 0)
            {
                _quiet?.TrySetResult();
            }
        }
        if (!isLook)
        {
            Activity?.Invoke();
        }
    }

    /// <summary>One use of the client, which stays open until it is disposed.</summary>
    private sealed class Use(ClientHost host, Opened opened, bool isLook) : IDisposable
    {
        private int _left;

        public IPromptSender Sender => opened.Wallet?.Redemption ?? (IPromptSender)opened.Device!;

        public TacitClient Client => opened.Wallet ?? throw SetupErrors.HasDevice();

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
            {
                host.Leave(isLook);
            }
        }
    }
}
