using Tacit.Protocol;

namespace Tacit.Fuzz;

/// <summary>Both ends of the signer's wire. The messages are made by the ends themselves: one talks, the other's bytes are caught.</summary>
internal static class SignerMessages
{
    private const int MessageCount = 3;

    public static IReadOnlyList<byte[]> Requests { get; } =
        [Caught(Request(null)), Caught(Request(Samples.Metadata)), Caught(null)];

    public static IReadOnlyList<byte[]> Responses { get; } =
    [
        Answer(SignResponse.Completed([Samples.Filled(256, 1), Samples.Filled(256, 2), Samples.Filled(256, 3)])),
        Answer(SignResponse.Refused(SignStatus.InvalidBlindedMessage, 2)),
        Answer(SignResponse.Refused(SignStatus.Busy)),
    ];

    public static IReadOnlyList<byte[]> KeyLists { get; } = [Now(SignerWire.DispatchAsync(Caught(null), new FixedSigner(null), CancellationToken.None))];

    public static bool RunRequest(byte[] input)
    {
        FixedSigner signer = new(SignResponse.Refused(SignStatus.Busy));
        byte[] answer = Now(SignerWire.DispatchAsync(input, signer, CancellationToken.None));
        FuzzTarget.Require(answer.Length > 0, "every request gets an answer");
        return signer.Asked > 0;
    }

    public static bool RunResponse(byte[] input)
    {
        try
        {
            SignResponse response = Now(new RemoteSigner((_, _) => ValueTask.FromResult(input)).SignAsync(Request(null), CancellationToken.None));
            FuzzTarget.Require(
                response.BlindSignatures.Count == (response.Status == SignStatus.Success ? MessageCount : 0) && response.FailedIndex < MessageCount,
                "a response has one signature for each message or none");
            return true;
        }
        catch (SignerUnavailableException)
        {
            return false;
        }
    }

    public static bool RunKeys(byte[] input)
    {
        try
        {
            IReadOnlyList<SignerKey> keys = Now(new RemoteSigner((_, _) => ValueTask.FromResult(input)).GetKeysAsync(CancellationToken.None));
            _ = keys.SelectMany(key => key.Plans).Select(plan => plan.ExchangeUntil).ToArray();
            byte[] written = Now(SignerWire.DispatchAsync(Caught(null), new FixedSigner(null, keys), CancellationToken.None));
            FuzzTarget.Require(written.AsSpan().SequenceEqual(input), "a list of keys changes when it is written again");
            return true;
        }
        catch (SignerUnavailableException)
        {
            return false;
        }
    }

    private static SignRequest Request(byte[]? extensions) => new()
    {
        TokenKeyId = Samples.Filled(32, 1),
        Extensions = extensions,
        BlindedMessages = [.. Enumerable.Range(0, MessageCount).Select(i => (ReadOnlyMemory<byte>)Samples.Filled(256, (byte)i))],
        Purpose = SigningPurpose.Exchange,
    };

    private static byte[] Caught(SignRequest? request)
    {
        byte[]? caught = null;
        RemoteSigner signer = new((bytes, _) =>
        {
            caught = bytes.ToArray();
            throw new IOException("caught");
        });
        try
        {
            _ = request is null ? Now(signer.GetKeysAsync(CancellationToken.None)) : (object)Now(signer.SignAsync(request, CancellationToken.None));
        }
        catch (SignerUnavailableException)
        {
        }

        return caught!;
    }

    private static byte[] Answer(SignResponse response) => Now(SignerWire.DispatchAsync(Caught(Request(null)), new FixedSigner(response), CancellationToken.None));

    // Nothing here waits for anything.
    private static T Now<T>(ValueTask<T> task) =>
        task.IsCompleted ? task.GetAwaiter().GetResult() : throw new InvalidOperationException("the wire waits for nothing");

    private sealed class FixedSigner(SignResponse? response, IReadOnlyList<SignerKey>? keys = null) : ISigner
    {
        public int Asked { get; private set; }

        public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken)
        {
            Asked++;
            return ValueTask.FromResult(keys ?? Samples.SignerKeys());
        }

        public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
        {
            Asked++;
            return ValueTask.FromResult(response!);
        }
    }
}
