namespace Tacit.Gateway.Chains;

/// <summary>The renewal that goes with one reply to a chain token: what it is bound to, and, once the reply has ended, what came of it.</summary>
internal sealed class ReplyRenewal(byte[] successorHash)
{
    private readonly TaskCompletionSource<byte[]?> _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public byte[] SuccessorHash => successorHash;

    /// <summary>The blind signature; null if there is none. Completes with the reply's end or soon after, never before it.</summary>
    public Task<byte[]?> Outcome => _outcome.Task;

    /// <summary>The operator refused it, for ever.</summary>
    public bool IsRefused { get; private set; }

    public void Complete(byte[]? blindSignature) => _outcome.TrySetResult(blindSignature);

    public void Refuse()
    {
        IsRefused = true;
        Complete(null);
    }
}
