using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>A directory is believed by its pinned key, its number and its chain, and serves without a network.</summary>
public sealed class DirectoryTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private Interposer _issuer = null!;
    private byte[] _document = [];
    private int _status = 200;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _issuer = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        _issuer.Impersonate = async (context, _) =>
        {
            context.Response.StatusCode = _status;
            await context.Response.Body.WriteAsync(_document);
            return true;
        };
    }

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        _key.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Signed_directory_is_believed_stored_and_used_without_a_network()
    {
        _document = Publish(1, null);
        await using (TacitClient client = await CreateAsync())
        {
            Assert.Equal(1, (await client.Directory.GetAsync(Token)).Sequence);
        }

        _status = 500;
        await using TacitClient offline = await OpenAsync();
        Assert.Equal(1, (await offline.Directory.GetAsync(Token)).Sequence);
        Assert.Equal(ClientError.DirectoryUnavailable, await RefreshErrorAsync(offline));
        Assert.Equal(1, (await offline.Directory.GetAsync(Token)).Sequence);
    }

    [Fact]
    public async Task Directory_of_another_key_is_refused()
    {
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        _document = Publish(1, null, signer: other);
        await using TacitClient client = await CreateAsync();

        Assert.Equal(ClientError.DirectoryRefused, await RefreshErrorAsync(client));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(200)]
    public async Task Altered_directory_is_refused(int at)
    {
        _document = Publish(1, null);
        _document[^at] ^= 1;
        await using TacitClient client = await CreateAsync();

        Assert.Equal(ClientError.DirectoryRefused, await RefreshErrorAsync(client));
    }

    [Fact]
    public async Task Number_that_goes_back_is_refused()
    {
        byte[] first = Publish(1, null);
        _document = Publish(2, first);
        await using TacitClient client = await CreateAsync();
        await client.Directory.GetAsync(Token);

        _document = first;

        Assert.Equal(ClientError.DirectoryRefused, await RefreshErrorAsync(client));
        Assert.Equal(2, (await client.Directory.GetAsync(Token)).Sequence);
    }

    [Fact]
    public async Task Number_that_stands_for_two_documents_is_refused()
    {
        _document = Publish(1, null);
        await using TacitClient client = await CreateAsync();
        await client.Directory.GetAsync(Token);

        _document = Publish(1, null, gateway: "singled-out.test");

        Assert.Equal(ClientError.DirectoryRefused, await RefreshErrorAsync(client));
    }

    [Fact]
    public async Task Next_number_must_follow_the_stored_document()
    {
        byte[] first = Publish(1, null);
        byte[] other = Publish(1, null, gateway: "singled-out.test");
        _document = first;
        await using TacitClient client = await CreateAsync();
        await client.Directory.GetAsync(Token);

        _document = Publish(2, first);
        Assert.Equal(2, (await client.Directory.RefreshAsync(Token)).Sequence);
        // A wallet that slept through some numbers cannot check their chain, and need not.
        _document = Publish(9, other);
        Assert.Equal(9, (await client.Directory.RefreshAsync(Token)).Sequence);
        _document = Publish(10, other);
        Assert.Equal(ClientError.DirectoryRefused, await RefreshErrorAsync(client));
    }

    [Fact]
    public async Task Without_a_pinned_key_nothing_is_fetched()
    {
        _document = Publish(1, null);
        await using TacitClient client = await TacitClient.CreateAsync(
            Options() with { Directory = new DirectoryOptions { Issuer = _issuer.Address } }, null, TimeProvider.System, NullLoggerFactory.Instance, Token);

        Assert.Equal(ClientError.DirectoryNotPinned, await RefreshErrorAsync(client));
        Assert.Empty(_issuer.Seen);
    }

    [Fact]
    public async Task Pinned_key_stays_pinned()
    {
        _document = Publish(1, null);
        await using (TacitClient client = await CreateAsync())
        {
            await client.Directory.GetAsync(Token);
        }
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();

        await using TacitClient reopened = await TacitClient.OpenAsync(
            Options() with { Directory = new DirectoryOptions { Issuer = _issuer.Address, DirectoryKey = other.PublicKey.Export() } },
            TimeProvider.System, NullLoggerFactory.Instance, Token);

        Assert.Equal(ClientError.DirectoryRefused, await RefreshErrorAsync(reopened));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("not json")]
    [InlineData("[[[[[[[[")]
    public async Task Garbage_is_refused(string document)
    {
        _document = System.Text.Encoding.UTF8.GetBytes(document);
        await using TacitClient client = await CreateAsync();

        Assert.Equal(ClientError.DirectoryRefused, await RefreshErrorAsync(client));
    }

    [Fact]
    public async Task Endless_directory_is_cut_off()
    {
        _issuer.Impersonate = async (context, _) =>
        {
            byte[] block = new byte[64 * 1024];
            while (!context.RequestAborted.IsCancellationRequested)
            {
                await context.Response.Body.WriteAsync(block, context.RequestAborted);
            }
            return true;
        };
        await using TacitClient client = await CreateAsync();

        Assert.Equal(ClientError.DirectoryUnavailable, await RefreshErrorAsync(client));
    }

    private static async Task<ClientError> RefreshErrorAsync(TacitClient client) =>
        (await Assert.ThrowsAsync<ClientException>(() => client.Directory.RefreshAsync(Token))).Error;

    private ClientOptions Options() => new()
    {
        Wallet = new WalletOptions { DataDirectory = _folder.Path },
        Directory = new DirectoryOptions { Issuer = _issuer.Address, DirectoryKey = _key.PublicKey.Export() },
    };

    private Task<TacitClient> CreateAsync() => TacitClient.CreateAsync(Options(), null, TimeProvider.System, NullLoggerFactory.Instance, Token);

    private Task<TacitClient> OpenAsync() => TacitClient.OpenAsync(Options(), TimeProvider.System, NullLoggerFactory.Instance, Token);

    private byte[] Publish(long sequence, byte[]? previous, string gateway = "gateway.test", Ed25519PrivateKey? signer = null)
    {
        byte[]? hash = sequence == 1 ? null : new byte[32];
        if (previous is not null)
        {
            Assert.True(IssuerDirectory.TryParse(previous, out IssuerDirectory? before, out _));
            hash = before.Hash();
        }
        return new IssuerDirectory
        {
            IssuerName = "issuer.test",
            IssuerRequestUri = "/token-request",
            TokenKeys = [],
            Plans = [],
            Gateways = [new DirectoryGateway(gateway, ["http://127.0.0.1:1"])],
            Sequence = sequence,
            Previous = hash,
        }.SignAndEncode(message => (signer ?? _key).Sign(message.Span));
    }
}
