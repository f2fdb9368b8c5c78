using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>The requests of one batch, ready to send, and what finishes their tokens. Wiped on dispose.</summary>
internal sealed class BlindedBatch : IDisposable
{
    private readonly BlindedToken[] _tokens;

    private BlindedBatch(BlindedToken[] tokens)
    {
        _tokens = tokens;
        Request = GenericBatchRequest.Create([.. tokens.Select(token => token.Request)]);
    }

    public GenericBatchRequest Request { get; }

    public IReadOnlyList<byte[]> Hashes => [.. _tokens.Select(token => token.RequestHash)];

    /// <summary>Off the caller's thread: a thousand tokens with metadata take seconds.</summary>
    public static Task<BlindedBatch> CreateAsync(TokenBatch batch, WalletKeys keys, CancellationToken cancellationToken) =>
        Task.Run(
            () =>
            {
                using var blinder = new TokenBlinder(batch.Series, keys);
                var tokens = new BlindedToken[batch.Tokens.Count];
                try
                {
                    for (int i = 0; i < tokens.Length; i++)
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        tokens[i] = blinder.Blind(batch.Tokens[i]);
                    }
                    return new BlindedBatch(tokens);
                }
                catch
                {
                    Array.ForEach(tokens, token => token?.Dispose());
                    throw;
                }
            },
            cancellationToken);

    /// <summary>Unblinds and verifies what the issuer signed, in ascending order of index. Requests that it left out are left out here.</summary>
    /// <param name="misbehaved">Whether something was signed wrongly.</param>
    /// <exception cref="ClientException"><see cref="ClientError.IssuerMisbehaved"/>: this is no answer to the batch.</exception>
    public List<(long Index, byte[] Token)> Finish(byte[] body, out bool misbehaved)
    {
        if (!GenericBatchResponse.TryParse(body, out GenericBatchResponse? response) || !response.Answers(Request))
        {
            throw new ClientException(ClientError.IssuerMisbehaved, "The issuer's answer does not fit the batch that was requested.");
        }
        List<(long Index, byte[] Token)> finished = new(_tokens.Length);
        misbehaved = false;
        for (int i = 0; i < _tokens.Length; i++)
        {
            if (response.Responses[i] is not BatchTokenResponse signed)
            {
                continue;
            }
            if (_tokens[i].TryFinish(signed.BlindSignature.Span, out byte[] token))
            {
                finished.Add((_tokens[i].Index, token));
            }
            else
            {
                misbehaved = true;
            }
        }
        return finished;
    }

    public void Dispose() => Array.ForEach(_tokens, token => token.Dispose());
}
