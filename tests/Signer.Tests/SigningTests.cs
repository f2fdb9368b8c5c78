using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

public sealed class SigningTests
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_november = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1)]
    [InlineData(101)]
    [InlineData(330)]
    public async Task Batch_of_any_size_comes_back_in_its_order(int count)
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("chat", s_november);
        List<BlindedToken> tokens = BlindedToken.CreateMany(count, key.Type, key.SubjectPublicKeyInfo, null);
        SignResponse response = await signer.Service.SignAsync(TestSigner.RequestFor(key, plan, SigningPurpose.Issuance, tokens), TestSigner.Token);
        Assert.Equal(SignStatus.Success, response.Status);
        Assert.All(tokens.Zip(response.BlindSignatures), pair => Assert.True(pair.First.Accepts(pair.Second)));
    }

    [Fact]
    public async Task Only_metadata_of_a_live_plan_are_signed()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Large);
        await signer.Service.AllKeysReady.WaitAsync(TestSigner.Token);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("chat-large", s_november);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan));
        byte[] changed = [.. plan.Extensions!];
        changed[^1] ^= 1;
        byte[][] others =
        [
            [], [0, 0], changed, [.. plan.Extensions!, 0], plan.Extensions![..^1],
            new PlanMetadata("chat-large", plan.Deadline.AddDays(1)).EncodeExtensions(),
            new PlanMetadata("chat-large", plan.Deadline.AddMonths(1)).EncodeExtensions(),
            new PlanMetadata("other", plan.Deadline).EncodeExtensions(),
        ];
        foreach (byte[]? extensions in others.Append(null))
        {
            SignResponse response = await signer.Service.SignAsync(
                new SignRequest { TokenKeyId = key.TokenKeyId, Extensions = extensions, BlindedMessages = [new byte[256]] }, TestSigner.Token);
            Assert.Equal(SignStatus.PlanNotLive, response.Status);
            Assert.Empty(response.BlindSignatures);
        }
    }

    [Fact]
    public async Task Requests_that_name_nothing_here_or_are_malformed_are_refused()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        (SignerKey key, _) = await signer.KeyAsync("chat", s_november);
        byte[] element = new byte[256];
        element[^1] = 2;
        SignRequest good = new() { TokenKeyId = key.TokenKeyId, BlindedMessages = [element] };
        Assert.Equal(SignStatus.Success, await StatusOf(good));
        Assert.Equal(SignStatus.UnknownKey, await StatusOf(good with { TokenKeyId = new byte[32] }));
        Assert.Equal(SignStatus.UnknownKey, await StatusOf(good with { TokenKeyId = [] }));
        Assert.Equal(SignStatus.PlanNotLive, await StatusOf(good with { Extensions = [1] }));
        Assert.Equal(SignStatus.PlanNotLive, await StatusOf(good with { Purpose = (SigningPurpose)7 }));
        Assert.Equal(SignStatus.Malformed, await StatusOf(good with { BlindedMessages = [] }));
        Assert.Equal(SignStatus.Malformed, await StatusOf(good with { BlindedMessages = [new byte[255]] }));
        Assert.Equal(SignStatus.Malformed, await StatusOf(good with { BlindedMessages = [.. Enumerable.Repeat<ReadOnlyMemory<byte>>(element, 1001)] }));

        async Task<SignStatus> StatusOf(SignRequest request) => (await signer.Service.SignAsync(request, TestSigner.Token)).Status;
    }

    [Fact]
    public async Task Invalid_element_is_named_and_nothing_of_its_batch_is_signed()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("chat", s_november);
        byte[] factor = await FactorOfAsync(signer, key);
        byte[] tooLarge = [.. Enumerable.Repeat((byte)0xff, 256)];
        foreach (byte[] bad in (byte[][])[new byte[256], tooLarge, factor])
        {
            List<BlindedToken> tokens = BlindedToken.CreateMany(220, key.Type, key.SubjectPublicKeyInfo, null);
            SignRequest request = TestSigner.RequestFor(key, plan, SigningPurpose.Issuance, tokens);
            ReadOnlyMemory<byte>[] elements = [.. request.BlindedMessages];
            elements[207] = bad;
            SignResponse response = await signer.Service.SignAsync(request with { BlindedMessages = elements }, TestSigner.Token);
            Assert.Equal(SignStatus.InvalidBlindedMessage, response.Status);
            Assert.Equal(207, response.FailedIndex);
            Assert.Empty(response.BlindSignatures);
        }
    }

    [Fact]
    public async Task Queue_that_is_full_refuses_and_recovers()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        await signer.CloseAsync();
        await signer.OpenAsync(options => options with { MaxQueuedElements = 1000, SigningThreads = 1 });
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("chat", s_november);
        byte[] element = new byte[256];
        element[^1] = 3;
        var request = new SignRequest { TokenKeyId = key.TokenKeyId, BlindedMessages = [.. Enumerable.Repeat<ReadOnlyMemory<byte>>(element, 600)] };
        Task<SignResponse>[] flood = [.. Enumerable.Range(0, 20).Select(_ => signer.Service.SignAsync(request, TestSigner.Token).AsTask())];
        SignStatus[] statuses = [.. (await Task.WhenAll(flood)).Select(response => response.Status)];
        Assert.Contains(SignStatus.Success, statuses);
        Assert.Contains(SignStatus.Busy, statuses);
        Assert.DoesNotContain(statuses, status => status is not (SignStatus.Success or SignStatus.Busy));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan));
        Assert.Equal(0, signer.Service.GetStatus().QueuedElements);
    }

    [Fact]
    public async Task Caller_that_gives_up_is_served_no_further()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("chat", s_november);
        using var gone = new CancellationTokenSource();
        await gone.CancelAsync();
        List<BlindedToken> tokens = BlindedToken.CreateMany(3, key.Type, key.SubjectPublicKeyInfo, null);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await signer.Service.SignAsync(TestSigner.RequestFor(key, plan, SigningPurpose.Issuance, tokens), gone.Token));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan));
    }

    [Fact]
    public async Task Nothing_of_a_request_is_stored()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("chat", s_november);
        List<BlindedToken> tokens = BlindedToken.CreateMany(20, key.Type, key.SubjectPublicKeyInfo, null);
        SignResponse response = await signer.Service.SignAsync(TestSigner.RequestFor(key, plan, SigningPurpose.Issuance, tokens), TestSigner.Token);
        await signer.CloseAsync();
        byte[] disk = [.. Directory.GetFiles(signer.Folder.Data).Where(path => !path.EndsWith(".sock", StringComparison.Ordinal)).SelectMany(File.ReadAllBytes)];
        Assert.True(disk.AsSpan().IndexOf(key.TokenKeyId) >= 0);
        foreach (byte[] value in tokens.Select(token => token.Request.BlindedMessage.ToArray()).Concat(response.BlindSignatures))
        {
            Assert.Equal(-1, disk.AsSpan().IndexOf(value.AsSpan(0, 16)));
            Assert.Equal(-1, disk.AsSpan().IndexOf(SHA256.HashData(value).AsSpan(0, 16)));
        }
    }

    [Fact]
    public async Task Signer_in_another_process_gives_the_same_answers()
    {
        using var folder = new TestFolder();
        var time = new FakeTime(s_start);
        SecretReference internalKey = folder.Secret("internal", "a key between roles, long enough");
        await using SignerServer server = await SignerServer.StartAsync(
            new SignerOptions { DataDirectory = folder.Data, Plans = [TestPlans.Chat], KeyFile = folder.KeyFile, InternalKey = internalKey },
            time, NullLoggerFactory.Instance, TestSigner.Token);
        string target = "unix:" + Path.Combine(folder.Data, SignerOptions.DefaultSocketName);
        using SecretBytes right = internalKey.Load("InternalKey");
        using var channel = new InternalChannelClient(
            target, SignerServer.InternalPath, right, SignerWire.MaxResponseSizeInBytes, TimeSpan.FromSeconds(30), TimeProvider.System, "Signer");
        var remote = new RemoteSigner(channel.SendAsync);

        SignerKey key = Assert.Single(await remote.GetKeysAsync(TestSigner.Token));
        Assert.Equal(Assert.Single(await server.Service.GetKeysAsync(TestSigner.Token)).Plans, key.Plans);
        List<BlindedToken> tokens = BlindedToken.CreateMany(3, key.Type, key.SubjectPublicKeyInfo, null);
        SignRequest request = TestSigner.RequestFor(key, key.Plans[0], SigningPurpose.Issuance, tokens);
        SignResponse response = await remote.SignAsync(request, TestSigner.Token);
        Assert.All(tokens.Zip(response.BlindSignatures), pair => Assert.True(pair.First.Accepts(pair.Second)));
        Assert.Equal(SignStatus.UnknownKey, (await remote.SignAsync(request with { TokenKeyId = new byte[32] }, TestSigner.Token)).Status);

        using var wrong = new SecretBytes("another key, just as long, but wrong"u8);
        using var stranger = new InternalChannelClient(
            target, SignerServer.InternalPath, wrong, SignerWire.MaxResponseSizeInBytes, TimeSpan.FromSeconds(30), TimeProvider.System, "Signer");
        await Assert.ThrowsAsync<SignerUnavailableException>(async () => await new RemoteSigner(stranger.SendAsync).GetKeysAsync(TestSigner.Token));
        using var client = new ManagementClient(folder.Data, SignerServer.Role);
        SignerStatus status = await client.GetAsync("/status", SignerJson.Default.SignerStatus, TestSigner.Token);
        Assert.Equal("live", Assert.Single(status.Keys).State);
        Assert.Single(await client.GetAsync("/keys", SignerJson.Default.IReadOnlyListSignerKeyStatus, TestSigner.Token));
    }

    /// <summary>A prime factor of the modulus, as an element: in range, and not coprime.</summary>
    private static async Task<byte[]> FactorOfAsync(TestSigner signer, SignerKey key)
    {
        await signer.CloseAsync();
        byte[] pkcs8;
        using (SecretBytes secret = signer.Folder.KeyFile.Load("KeyFile"))
        {
            await using KeyStore store = await signer.OpenStoreAsync(secret.Memory);
            pkcs8 = store.Unseal((await store.LoadAsync(TestSigner.Token)).Keys.Single(stored => stored.KeyId.AsSpan().SequenceEqual(key.TokenKeyId)));
        }

        await signer.OpenAsync();
        return [.. new byte[128], .. PrivateKeyParts.FirstPrime(pkcs8)];
    }
}
