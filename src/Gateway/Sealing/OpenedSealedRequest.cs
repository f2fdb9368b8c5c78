using Tacit.Gateway.Admission;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>A sealed request that was opened and taken: what it asks, and what its reply is sealed with.</summary>
internal sealed class OpenedSealedRequest : IDisposable
{
    private readonly SensitiveBuffer _plaintext;
    private readonly BodyHold _hold;

    private OpenedSealedRequest(SealedEnvelope envelope, SensitiveBuffer plaintext, BodyHold hold, SealedInnerRequest inner, SealedReplySecret reply)
    {
        Envelope = envelope;
        Inner = inner;
        Reply = reply;
        _plaintext = plaintext;
        _hold = hold;
    }

    public SealedEnvelope Envelope { get; }

    public SealedInnerRequest Inner { get; }

    public SealedReplySecret Reply { get; }

    /// <summary>Bytes that were sealed, padding included.</summary>
    public int PlaintextSize => _plaintext.WrittenCount;

    /// <param name="envelope">Becomes the request's, if there is one.</param>
    /// <param name="hold">As well.</param>
    public static SealedRequestError TryOpen(SealingKeyPair pair, SealedEnvelope envelope, BodyHold hold, out OpenedSealedRequest? opened)
    {
        opened = null;
        var plaintext = new SensitiveBuffer(envelope.Ciphertext.Length);
        SealedReplySecret? reply = null;
        try
        {
            SealedRequestError error = SealedRequest.TryFindSuite(pair.Key.KemId, out Tacit.Crypto.HpkeSuite? suite)
                ? SealedRequest.Open(suite, pair.PrivateKey, pair.Config.Span, envelope, plaintext, out SealedInnerRequest? inner, out reply)
                : throw new InvalidOperationException("A sealing key is of a KEM that this machine does not have.");
            if (error == SealedRequestError.None)
            {
                opened = new OpenedSealedRequest(envelope, plaintext, hold, inner!, reply!);
            }

            return error;
        }
        finally
        {
            if (opened is null)
            {
                reply?.Dispose();
                plaintext.Dispose();
            }
        }
    }

    /// <summary>The request to run. Its body is a copy that is wiped once it has been read; all else of the plaintext is wiped here.</summary>
    public InnerRequest TakeInner()
    {
        var body = new SensitiveBuffer(Inner.Body.Length);
        body.Write(Inner.Body.Span);
        List<BinaryHttpField> headers = [.. Inner.Headers.Select(header => new BinaryHttpField(header.Key, header.Value))];
        if (!Inner.Body.IsEmpty && !headers.Exists(header => header.Name == "content-type"))
        {
            headers.Add(new BinaryHttpField("content-type", MediaTypes.Json));
        }

        _plaintext.Dispose();
        Envelope.Dispose();
        _hold.Body.Dispose();
        return new InnerRequest { Method = Inner.Method, Target = Inner.Path, Headers = headers, Body = body, Room = _hold };
    }

    public void Dispose()
    {
        Envelope.Dispose();
        Reply.Dispose();
        _plaintext.Dispose();
        _hold.Dispose();
    }
}
