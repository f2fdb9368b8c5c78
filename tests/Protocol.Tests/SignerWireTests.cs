using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class SignerWireTests
{
    private static readonly SignRequest s_request = new()
    {
        TokenKeyId = Samples.Digest(1),
        Extensions = Samples.Metadata,
        BlindedMessages = [Samples.Filled(256, 1), Samples.Filled(256, 2)],
        Purpose = SigningPurpose.Exchange,
    };

    [Fact]
    public async Task Request_and_signatures_arrive_as_they_were_sent()
    {
        ScriptedSigner signer = new(SignResponse.Completed([Samples.Filled(256, 3), Samples.Filled(256, 4)]));

        SignResponse response = await Connect(signer).SignAsync(s_request, TestContext.Current.CancellationToken);

        Assert.Equal(s_request.TokenKeyId, signer.Request!.TokenKeyId);
        Assert.Equal(s_request.Extensions, signer.Request.Extensions);
        Assert.Equal(s_request.Purpose, signer.Request.Purpose);
        Assert.Equal(s_request.BlindedMessages.Select(message => message.ToArray()), signer.Request.BlindedMessages.Select(message => message.ToArray()));
        Assert.Equal(SignStatus.Success, response.Status);
        Assert.Equal([Samples.Filled(256, 3), Samples.Filled(256, 4)], response.BlindSignatures);
        Assert.Equal(-1, response.FailedIndex);
    }

    [Theory]
    [InlineData(SignStatus.UnknownKey, -1)]
    [InlineData(SignStatus.PlanNotLive, -1)]
    [InlineData(SignStatus.InvalidBlindedMessage, 1)]
    [InlineData(SignStatus.Busy, -1)]
    [InlineData(SignStatus.Failed, -1)]
    [InlineData(SignStatus.RateLimited, -1)]
    public async Task Refusal_arrives_with_its_reason(SignStatus status, int failedIndex)
    {
        SignResponse response = await Connect(new ScriptedSigner(SignResponse.Refused(status, failedIndex)))
            .SignAsync(s_request, TestContext.Current.CancellationToken);

        Assert.Equal((status, failedIndex, 0), (response.Status, response.FailedIndex, response.BlindSignatures.Count));
    }

    [Fact]
    public async Task Keys_arrive_as_they_are()
    {
        IReadOnlyList<SignerKey> keys = await Connect(new ScriptedSigner(null)).GetKeysAsync(TestContext.Current.CancellationToken);

        IReadOnlyList<SignerKey> sent = Samples.SignerKeys();
        Assert.Equal(sent.Select(key => key.TokenKeyId), keys.Select(key => key.TokenKeyId));
        Assert.Equal(sent.Select(key => key.SubjectPublicKeyInfo), keys.Select(key => key.SubjectPublicKeyInfo));
        Assert.Equal(sent.Select(key => (key.Type, key.NotBefore)), keys.Select(key => (key.Type, key.NotBefore)));
        Assert.Equal(sent.SelectMany(key => key.Plans), keys.SelectMany(key => key.Plans));
    }

    [Fact]
    public async Task Keys_of_pseudonyms_arrive_as_they_are_beside_those_of_plans()
    {
        Period epoch = Period.Containing(PeriodKind.Week, new DateTimeOffset(2026, 11, 21, 0, 0, 0, TimeSpan.Zero));
        SignerKey[] sent =
        [
            .. Samples.SignerKeys(),
            .. Enum.GetValues<PseudonymKind>().Select((kind, i) => new PseudonymKey
            {
                Gateway = "gateway.example",
                Kind = kind,
                TokenKeyId = Samples.Digest(200 + i),
                Epoch = kind == PseudonymKind.Permanent ? null : epoch,
                NotBefore = epoch.IssueFrom,
            }).Select(key => new SignerKey
            {
                Type = TokenType.BlindRsa, TokenKeyId = key.TokenKeyId, SubjectPublicKeyInfo = Samples.Filled(300, 5), NotBefore = key.NotBefore, Plans = [], Pseudonym = key,
            }),
        ];

        IReadOnlyList<SignerKey> keys = await Connect(new ScriptedSigner(null, sent)).GetKeysAsync(TestContext.Current.CancellationToken);

        Assert.Equal(sent.Select(key => key.Pseudonym), keys.Select(key => key.Pseudonym));
        Assert.Equal(sent.SelectMany(key => key.Plans), keys.SelectMany(key => key.Plans));
    }

    [Fact]
    public async Task Signer_that_answers_with_too_few_signatures_is_not_believed()
    {
        RemoteSigner signer = Connect(new ScriptedSigner(SignResponse.Completed([Samples.Filled(256, 3)])));

        await Assert.ThrowsAsync<SignerUnavailableException>(async () => await signer.SignAsync(s_request, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Broken_channel_is_one_typed_error()
    {
        RemoteSigner signer = new((_, _) => throw new IOException("gone"));

        SignerUnavailableException error = await Assert.ThrowsAsync<SignerUnavailableException>(
            async () => await signer.GetKeysAsync(TestContext.Current.CancellationToken));

        Assert.IsType<IOException>(error.InnerException);
    }

    [Fact]
    public async Task Cancellation_stays_a_cancellation()
    {
        using CancellationTokenSource cancelled = new();
        await cancelled.CancelAsync();
        RemoteSigner signer = new((_, token) => ValueTask.FromCanceled<byte[]>(token));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await signer.GetKeysAsync(cancelled.Token));
    }

    [Fact]
    public async Task Request_out_of_its_limits_is_not_sent()
    {
        RemoteSigner signer = new((_, _) => throw new InvalidOperationException("sent"));
        SignRequest[] wrong =
        [
            s_request with { TokenKeyId = new byte[31] },
            s_request with { BlindedMessages = [] },
            s_request with { BlindedMessages = [new byte[255]] },
            s_request with { BlindedMessages = [.. Enumerable.Repeat<ReadOnlyMemory<byte>>(new byte[256], 1001)] },
            s_request with { Extensions = new byte[TokenExtensions.MaxSizeInBytes + 1] },
            s_request with { Purpose = 0 },
        ];

        foreach (SignRequest request in wrong)
        {
            await Assert.ThrowsAsync<ArgumentException>(async () => await signer.SignAsync(request, TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task Largest_request_fits_the_stated_size()
    {
        int size = 0;
        ScriptedSigner inner = new(SignResponse.Refused(SignStatus.Busy));
        RemoteSigner signer = new((bytes, token) =>
        {
            size = bytes.Length;
            return SignerWire.DispatchAsync(bytes, inner, token);
        });
        SignRequest largest = s_request with { BlindedMessages = [.. Enumerable.Repeat<ReadOnlyMemory<byte>>(new byte[256], 1000)] };

        await signer.SignAsync(largest, TestContext.Current.CancellationToken);

        Assert.InRange(size, 256_000, SignerWire.MaxRequestSizeInBytes);
        Assert.Equal(1000, inner.Request!.BlindedMessages.Count);
    }

    [Fact]
    public async Task Request_that_cannot_be_read_reaches_no_signer()
    {
        ScriptedSigner signer = new(SignResponse.Refused(SignStatus.Busy));
        byte[][] requests = [[], [1], [1, 3], [2, 1], [1, 1, 0], [1, 2], [1, 2, 0]];
        foreach (byte[] request in requests)
        {
            byte[] answer = await SignerWire.DispatchAsync(request, signer, TestContext.Current.CancellationToken);
            Assert.Equal([1, 0], answer);
        }

        Assert.Equal(0, signer.Asked);
    }

    private static RemoteSigner Connect(ISigner signer) => new((bytes, token) => SignerWire.DispatchAsync(bytes, signer, token));

    private sealed class ScriptedSigner(SignResponse? response, IReadOnlyList<SignerKey>? keys = null) : ISigner
    {
        public SignRequest? Request { get; private set; }

        public int Asked { get; private set; }

        public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken)
        {
            Asked++;
            return ValueTask.FromResult(keys ?? Samples.SignerKeys());
        }

        public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
        {
            Asked++;
            Request = request;
            return ValueTask.FromResult(response!);
        }
    }
}
