using System.Security.Cryptography;
using System.Text;
using Tacit.Client;
using Tacit.EndToEnd.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>What one wallet made a token from, beside what it asked for: the truth that only it knows.</summary>
internal sealed record TokenSecret(string Wallet, TokenSeries Series, long Index, byte[] BlindingSeed, byte[] Nonce)
{
    public string Crowd => CrowdOf(Series.Type, Series.KeyId, Series.Extensions);

    /// <summary>What issuer and gateway both know of a token: key and metadata.</summary>
    public static string CrowdOf(TokenType type, ReadOnlySpan<byte> keyId, ReadOnlySpan<byte> extensions) =>
        $"{(int)type:x4} {Convert.ToHexStringLower(keyId[..4])} {Convert.ToHexStringLower(SHA256.HashData(extensions).AsSpan(0, 4))}";
}

/// <summary>One wallet of the fleet with what its owner knows of it; reopened after a crash, made anew from its seed after a loss.</summary>
internal sealed class FleetWallet(string name, string plan, ClientOptions options, TimeProvider time, CapturedLog log) : IAsyncDisposable
{
    private readonly HashSet<string> _nonces = [];
    private TacitClient? _client;

    public string Name => name;

    public string Plan => plan;

    public TacitClient Client => _client!;

    public string Seed { get; private set; } = "";

    public string AccountKey { get; private set; } = "";

    public List<string> Vouchers { get; } = [];

    public List<TokenSecret> Secrets { get; } = [];

    /// <summary>False if something happens to it that the others are spared, at a time that the test chose.</summary>
    public bool IsOrdinary { get; init; } = true;

    public async Task CreateAsync(string voucher)
    {
        _client = await TacitClient.CreateAsync(options, null, time, log);
        Seed = Client.Wallet.RevealSeed();
        AccountKey = await Client.Account.CreateAsync();
        Vouchers.Add(voucher);
        await Client.Account.DepositAsync(voucher);
    }

    /// <summary>The program ends without a word and starts again.</summary>
    public async Task ReopenAsync()
    {
        await Client.DisposeAsync();
        _client = await TacitClient.OpenAsync(options, time, log);
    }

    /// <summary>The disk is lost; seed and account key were written down.</summary>
    public async Task LoseAndRestoreAsync()
    {
        await Client.DisposeAsync();
        Directory.Delete(options.Wallet.DataDirectory, recursive: true);
        _client = await TacitClient.CreateAsync(options, Seed, time, log);
        await Client.Account.ImportAsync(AccountKey);
        await Client.Filler.RestoreAsync();
    }

    /// <summary>Notes what is being asked for at this moment. Called while a request is on its way, so that nothing escapes.</summary>
    public async Task NoteAsync()
    {
        foreach (TokenBatch batch in await Client.Wallet.Journal.RequestedBatchesAsync(CancellationToken.None))
        {
            foreach (ReservedToken token in batch.Tokens)
            {
                Note(batch.Series, token);
            }
        }

        foreach (TokenExchange exchange in await Client.Wallet.Journal.OpenExchangesAsync(CancellationToken.None))
        {
            Note(exchange.SuccessorSeries, exchange.Successor);
        }
    }

    /// <summary>Asks a prompt of some length and reads the reply, unless all tokens that it tried turn out spent, as restored ones may.</summary>
    public async Task AskAsync()
    {
        try
        {
            await using PromptReply reply = await Client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, Prompt()));
            while (await reply.ReadAsync(new byte[4096]) > 0)
            {
            }

            await reply.CompleteAsync();
            Assert.True(reply.Status == 200 || (reply.Status == 409 && !IsOrdinary), $"{name}: {reply.Status}");
        }
        catch (ClientException e) when (e.Error == ClientError.WalletEmpty && !IsOrdinary)
        {
            // The last one was spent.
        }
    }

    public byte[] Prompt()
    {
        string words = Convert.ToHexString(RandomNumberGenerator.GetBytes(8 + RandomNumberGenerator.GetInt32(100)));

        // More output than the small plan allows is what makes a wallet use the large one.
        string cap = plan == WholeSystem.ChatLarge.Id ? ",\"max_tokens\":8000" : "";
        return Encoding.UTF8.GetBytes($$"""{"model":"{{WholeSystem.Model}}","messages":[{"role":"user","content":"{{words}}"}]{{cap}}}""");
    }

    public async Task<long> SpendableAsync() =>
        (await Client.Wallet.GetStatusAsync()).Plans.Where(holdings => holdings.Plan == plan).Sum(holdings => holdings.Held + holdings.Unknown + holdings.Returned);

    public async ValueTask DisposeAsync()
    {
        if (_client is not null)
        {
            await _client.DisposeAsync();
        }
    }

    private void Note(TokenSeries series, ReservedToken token)
    {
        byte[] blindingSeed = new byte[TokenSecrets.BlindingSeedSizeInBytes];
        byte[] nonce = new byte[Token.NonceSizeInBytes];
        if (token.Randomness is byte[] fresh)
        {
            fresh.AsSpan(0, blindingSeed.Length).CopyTo(blindingSeed);
            fresh.AsSpan(blindingSeed.Length).CopyTo(nonce);
        }
        else
        {
            using WalletSeed seed = WalletSeed.TryParse(Seed, out WalletSeed? parsed) ? parsed : throw new InvalidOperationException();
            WalletDerivation.Derive(
                seed.Bytes,
                new TokenContext
                {
                    IssuerName = series.Issuer, Type = series.Type, TokenKeyId = series.KeyId, Extensions = series.Extensions,
                    ChallengeDigest = series.ChallengeDigest, Namespace = series.Namespace, Index = token.Index,
                },
                blindingSeed, nonce);
        }

        lock (_nonces)
        {
            // Asked for again is not another token.
            if (_nonces.Add(Convert.ToHexString(nonce)))
            {
                Secrets.Add(new TokenSecret(name, series, token.Index, blindingSeed, nonce));
            }
        }
    }
}
