using Tacit.Protocol;

namespace Tacit.Issuer.Tests.Support;

/// <summary>The real signer behind a line that a test can cut, as a crash between debit and signature does.</summary>
internal sealed class FaultySigner(ISigner inner) : ISigner
{
    private int _requests;

    /// <summary>What to do instead of signing: null signs.</summary>
    public Func<SignRequest, SignResponse?>? Fault { get; set; }

    /// <summary>How many requests reached the signer's side of the line.</summary>
    public int Requests => Volatile.Read(ref _requests);

    public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken) => inner.GetKeysAsync(cancellationToken);

    public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _requests);
        return Fault?.Invoke(request) is SignResponse response ? ValueTask.FromResult(response) : inner.SignAsync(request, cancellationToken);
    }

    public static SignResponse Unavailable(SignRequest request) => throw new SignerUnavailableException("cut off by the test");
}
