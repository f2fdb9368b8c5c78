using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Bench.Harness;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Issuer;
using Tacit.Protocol;
using Tacit.Signer;

namespace Tacit.Bench.Issuance;

/// <summary>
/// Issuing over HTTP with a durable debit, against the same signatures made bare on one core. Issuer, signer and client share this process; the signer has one
/// thread, so that all else has to fit beside it.
/// </summary>
internal sealed class IssuanceSuite : Suite
{
    private const int BatchSize = 100;

    internal override string Name => "issuance";

    internal override string Summary => "issuing 100 tokens in one HTTP request";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        say("making keys");
        Plan chat = new()
        {
            Id = "chat", Models = ["bench"], MaxInputBytes = 262_144, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month,
        };
        Plan large = chat with { Id = "chat-large", TokenType = TokenType.PartiallyBlindRsa };
        await using Roles roles = await Roles.StartAsync([chat, large], cancellationToken);

        var measured = new SideBySide();
        var keys = new List<BlindRsaPrivateKey>();
        try
        {
            foreach (Plan plan in (Plan[])[chat, large])
            {
                Target target = roles.TargetOf(plan);
                BlindRsaPrivateKey bare = await BareKeyAsync(target, cancellationToken);
                keys.Add(bare);
                measured.Add("bare " + plan.Id, token => BareRateAsync(bare, effort.PerMeasurement, token));
                measured.Add("issue " + plan.Id, token => roles.IssueRateAsync(target, effort.PerMeasurement, token));
            }

            await measured.RunAsync(effort.Rounds, say, cancellationToken);
        }
        finally
        {
            keys.ForEach(key => key.Dispose());
        }

        return [RowOf(chat, "0x0002"), RowOf(large, "0xDA7A")];

        Row RowOf(Plan plan, string type)
        {
            double bare = measured.Median("bare " + plan.Id);
            double issued = measured.Median("issue " + plan.Id);
            return new Row(
                $"issue {type}, {BatchSize} in one HTTP request, debit durable", issued, "tokens/s",
                string.Create(CultureInfo.InvariantCulture, $"the same batch signed bare, one core: {bare:#,0} signs/s"), issued / bare, 0.7, Row.Higher);
        }
    }

    private static async Task<BlindRsaPrivateKey> BareKeyAsync(Target target, CancellationToken cancellationToken)
    {
        if (target.Key.Type == TokenType.BlindRsa)
        {
            return BlindRsaPrivateKey.Generate(2048);
        }

        using PartiallyBlindRsaPrivateKey safe = await PartiallyBlindRsaPrivateKey.GenerateAsync(2048, null, cancellationToken);
        return safe.DeriveKey(target.PlanKey.Extensions);
    }

    private static Task<double> BareRateAsync(BlindRsaPrivateKey key, TimeSpan time, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte>[] elements = [.. Enumerable.Range(0, BatchSize).Select(_ => (ReadOnlyMemory<byte>)Element())];
        byte[] signatures = new byte[BatchSize * TokenTypes.ModulusSizeInBytes];
        return Task.Factory.StartNew(
            () => Rate(time, () => key.BlindSignBatch(elements, signatures, out _) == BlindSignStatus.Success
                ? BatchSize
                : throw new InvalidOperationException("The measured operation failed; its figure would mean nothing.")),
            cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private static double Rate(TimeSpan time, Func<int> operation)
    {
        operation();
        long started = TimeProvider.System.GetTimestamp();
        int count = 0;
        TimeSpan elapsed;
        do
        {
            count += operation();
            elapsed = TimeProvider.System.GetElapsedTime(started);
        }
        while (elapsed < time);
        return count / elapsed.TotalSeconds;
    }

    /// <summary>Any number below the modulus will do: the signer can't tell it from a blinded message.</summary>
    private static byte[] Element()
    {
        byte[] element = RandomNumberGenerator.GetBytes(TokenTypes.ModulusSizeInBytes);
        element[0] = 1;
        return element;
    }

    private sealed record Target(SignerKey Key, PlanKey PlanKey);

    /// <summary>A real issuer and a real signer on loopback, and an account with all it needs.</summary>
    private sealed class Roles : IAsyncDisposable
    {
        private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false });
        private readonly string _folder = Directory.CreateTempSubdirectory("tacit-bench-").FullName;
        private SignerService? _signer;
        private IssuerServer? _issuer;
        private IReadOnlyList<SignerKey> _keys = [];
        private string _account = "";

        public static async Task<Roles> StartAsync(Plan[] plans, CancellationToken cancellationToken)
        {
            var roles = new Roles();
            string keyFile = Path.Combine(roles._folder, "key");
            await File.WriteAllTextAsync(keyFile, Convert.ToHexString(RandomNumberGenerator.GetBytes(32)), cancellationToken);
            SecretReference key = SecretReference.FromFile(keyFile);
            roles._signer = await SignerService.OpenAsync(
                new SignerOptions { DataDirectory = roles._folder, Plans = plans, KeyFile = key, SigningThreads = 1 },
                TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
            await roles._signer.AllKeysReady.WaitAsync(cancellationToken);
            roles._issuer = await IssuerServer.StartAsync(
                new IssuerOptions
                {
                    DataDirectory = roles._folder, Listen = ListenAddress.Loopback(0), IssuerName = "issuer.bench", Plans = plans, KeyFile = key,
                },
                roles._signer, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
            roles._keys = await roles._signer.GetKeysAsync(cancellationToken);
            byte[] created = await roles.PostAsync(Routes.Account, "", [], cancellationToken);
            roles._account = JsonSerializer.Deserialize(created, AccountJson.Default.AccountCreated)!.AccountKey;
            VoucherBatch vouchers = await roles._issuer.CreateVouchersAsync(1_000_000_000, 1, new DateOnly(9000, 1, 1), cancellationToken);
            await roles.PostAsync(
                Routes.AccountVouchers, MediaTypes.Json, Encoding.UTF8.GetBytes($$"""{"code":"{{vouchers.Codes[0]}}"}"""), cancellationToken);
            return roles;
        }

        public Target TargetOf(Plan plan)
        {
            DateTimeOffset now = TimeProvider.System.GetUtcNow();
            SignerKey key = _keys.First(key => key.Plans.Any(planKey => planKey.PlanId == plan.Id && planKey.IsLiveAt(now)));
            return new Target(key, key.Plans.First(planKey => planKey.PlanId == plan.Id && planKey.IsLiveAt(now)));
        }

        /// <summary>Tokens a second, one request after the other; the bodies are made before the clock starts.</summary>
        public async Task<double> IssueRateAsync(Target target, TimeSpan time, CancellationToken cancellationToken)
        {
            await IssueAsync(Batch(target), cancellationToken);
            byte[][] batches = [.. Enumerable.Range(0, (int)(time.TotalSeconds * 40) + 1).Select(_ => Batch(target))];
            long started = TimeProvider.System.GetTimestamp();
            int issued = 0;
            foreach (byte[] batch in batches)
            {
                await IssueAsync(batch, cancellationToken);
                issued += BatchSize;
                if (TimeProvider.System.GetElapsedTime(started) > time)
                {
                    break;
                }
            }

            return issued / TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        }

        public async ValueTask DisposeAsync()
        {
            if (_issuer is not null)
            {
                await _issuer.DisposeAsync();
            }

            if (_signer is not null)
            {
                await _signer.DisposeAsync();
            }

            _http.Dispose();
            Directory.Delete(_folder, recursive: true);
        }

        private static byte[] Batch(Target target) => GenericBatchRequest.Create(
        [
            .. Enumerable.Range(0, BatchSize)
                .Select(_ => TokenRequest.Create(target.Key.Type, target.Key.TruncatedKeyId, Element(), target.PlanKey.Extensions)),
        ]).Encode();

        private async Task IssueAsync(byte[] batch, CancellationToken cancellationToken)
        {
            byte[] answer = await PostAsync(Routes.TokenRequest, MediaTypes.GenericBatchRequest, batch, cancellationToken);
            if (!GenericBatchResponse.TryParse(answer, out GenericBatchResponse? response) || response.Responses.Contains(null))
            {
                throw new InvalidOperationException("The issuer refused; its figure would mean nothing.");
            }
        }

        private async Task<byte[]> PostAsync(string path, string mediaType, byte[] body, CancellationToken cancellationToken)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_issuer!.Address, path)) { Content = new ByteArrayContent(body) };
            request.Headers.Authorization = _account.Length > 0 ? new AuthenticationHeaderValue("Bearer", _account) : null;
            request.Content.Headers.ContentType = mediaType.Length > 0 ? new MediaTypeHeaderValue(mediaType) : null;
            using HttpResponseMessage response = await _http.SendAsync(request, cancellationToken);
            return response.EnsureSuccessStatusCode().Content is HttpContent content ? await content.ReadAsByteArrayAsync(cancellationToken) : [];
        }
    }
}
