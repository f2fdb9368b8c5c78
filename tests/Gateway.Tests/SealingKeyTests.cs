using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Crypto;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Gateway.Tests;

/// <summary>The keys of a gateway and what two instances on one database, the next process and the disk have of them.</summary>
public class SealingKeyTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_midnight = new(2026, 3, 11, 0, 0, 0, TimeSpan.Zero);

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-sealing-").FullName;
    private readonly FakeTime _time = new(TestGateway.Start);
    private readonly TestIssuer _issuer = new();
    private RoleDatabase _role = null!;
    private Database _here = null!;
    private Database _there = null!;
    private IssuerDirectory? _directory;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string KeyPath => Path.Combine(_folder, "sealing.key");

    public async ValueTask InitializeAsync()
    {
        WriteKeyFile(KeyPath);
        _role = await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        await OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _issuer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Keys_follow_each_other_by_the_day_and_open_somewhat_longer_than_they_are_used()
    {
        await using SealingKeys keys = await StartAsync(_here);
        (SealingKey first, SealingKey second) = Pair(keys);
        Assert.Equal((s_midnight.AddDays(-1), s_midnight, s_midnight.AddDays(1)), (first.NotBefore, first.NotAfter, second.NotAfter));
        Assert.Equal(first.NotAfter, second.NotBefore);
        Assert.Equal(unchecked((byte)(first.KeyId + 1)), second.KeyId);

        Assert.True(keys.TryFind(first.KeyId, first.NotBefore - SealingSchedule.Skew, out _));
        Assert.False(keys.TryFind(first.KeyId, first.NotBefore - SealingSchedule.Skew - TimeSpan.FromSeconds(1), out _));
        Assert.True(keys.TryFind(first.KeyId, first.NotAfter + SealingSchedule.Grace - TimeSpan.FromSeconds(1), out _));
        Assert.False(keys.TryFind(first.KeyId, first.NotAfter + SealingSchedule.Grace, out _));
        Assert.False(keys.TryFind(unchecked((byte)(first.KeyId + 100)), _time.GetUtcNow(), out _));

        _time.Jump(s_midnight - _time.GetUtcNow());
        await keys.RunAsync(Ct);
        (SealingKey current, SealingKey next) = Pair(keys);
        Assert.True(second.IsSameKey(current));
        Assert.Equal(second.NotAfter, next.NotBefore);
        Assert.True(keys.TryFind(first.KeyId, _time.GetUtcNow(), out SealingKeyPair? old));
        Assert.True(Opens(old, first));

        _time.Jump(SealingSchedule.Grace);
        await keys.RunAsync(Ct);
        Assert.False(keys.TryFind(first.KeyId, s_midnight, out _));
        Assert.True(keys.TryFind(second.KeyId, _time.GetUtcNow(), out SealingKeyPair? pair));
        Assert.True(Opens(pair, second));
    }

    [Fact]
    public async Task Keys_are_the_same_after_a_restart()
    {
        byte[] gatewayKey;
        (SealingKey, SealingKey) before;
        await using (SealingKeys keys = await StartAsync(_here))
        {
            before = Pair(keys);
            gatewayKey = keys.GatewayKey.ToArray();
        }

        await CloseAsync();
        await OpenAsync();
        await using SealingKeys again = await StartAsync(_here);
        (SealingKey current, SealingKey next) = Pair(again);
        Assert.True(before.Item1.IsSameKey(current) && before.Item2.IsSameKey(next));
        Assert.Equal(gatewayKey, again.GatewayKey.ToArray());
        Assert.True(again.TryFind(current.KeyId, _time.GetUtcNow(), out SealingKeyPair? pair) && Opens(pair, current));
    }

    [Fact]
    public async Task Instances_on_one_database_have_one_set_of_keys()
    {
        SealingKeys[] both = await Task.WhenAll(StartAsync(_here), StartAsync(_there));
        await using SealingKeys here = both[0], there = both[1];
        Assert.Equal(here.GatewayKey.ToArray(), there.GatewayKey.ToArray());
        for (int day = 0; day < 5; day++)
        {
            await Task.WhenAll(here.RunAsync(Ct), there.RunAsync(Ct));
            (SealingKey current, SealingKey next) = Pair(here);
            (SealingKey otherCurrent, SealingKey otherNext) = Pair(there);
            Assert.True(current.IsSameKey(otherCurrent) && next.IsSameKey(otherNext));
            Assert.True(there.TryFind(current.KeyId, _time.GetUtcNow(), out SealingKeyPair? pair) && Opens(pair, current));
            _time.Jump(TimeSpan.FromDays(1));
        }
    }

    [Fact]
    public async Task Other_secret_than_the_keys_were_encrypted_under_is_refused()
    {
        await using (SealingKeys keys = await StartAsync(_here))
        {
        }

        WriteKeyFile(KeyPath);
        await Assert.ThrowsAsync<KeyProtectionException>(() => StartAsync(_here));
    }

    [Fact]
    public async Task Nothing_is_shown_that_the_directory_does_not_list()
    {
        await using SealingKeys keys = await StartAsync(_here);
        Assert.Empty(keys.PublishedAt(_time.GetUtcNow()));
        (SealingKey current, SealingKey next) = Pair(keys);

        Publish(current);
        Assert.Equal([current.KeyId], keys.PublishedAt(_time.GetUtcNow()).Select(entry => entry.Key.KeyId));
        Publish(current, next);
        Assert.Equal([current.KeyId, next.KeyId], keys.PublishedAt(_time.GetUtcNow()).Select(entry => entry.Key.KeyId));
        Assert.Equal([next.KeyId], keys.PublishedAt(current.NotAfter).Select(entry => entry.Key.KeyId));

        // One that the issuer made up has no private half here: it is not passed on.
        Assert.Null(keys.Report().Fault);
        Publish(current with { Config = SealingKey.EncodeConfig(200, RandomNumberGenerator.GetBytes(32)) });
        Assert.Empty(keys.PublishedAt(_time.GetUtcNow()));
        await keys.RunAsync(Ct);
        Assert.Contains("not one of its own", keys.Report().Fault, StringComparison.Ordinal);
        Publish(current);
        Assert.Single(keys.PublishedAt(_time.GetUtcNow()));
        await keys.RunAsync(Ct);
        Assert.Null(keys.Report().Fault);
    }

    [Fact]
    public async Task Gateway_that_lost_its_keys_makes_none_for_a_time_that_has_one()
    {
        SealingKey lost = new()
        {
            Gateway = TestIssuer.GatewayName, Config = SealingKey.EncodeConfig(9, RandomNumberGenerator.GetBytes(32)), NotBefore = s_midnight.AddDays(-1), NotAfter = s_midnight,
        };
        Publish(lost);

        await using SealingKeys keys = await StartAsync(_here);
        SealingKey only = Assert.Single(Offered(keys));
        Assert.Equal((s_midnight, s_midnight.AddDays(1), 10), (only.NotBefore, only.NotAfter, only.KeyId));
        Assert.False(only.Contradicts(lost));

        _time.Jump(s_midnight - _time.GetUtcNow());
        await keys.RunAsync(Ct);
        Assert.Equal(2, Offered(keys).Count);
    }

    [Fact]
    public async Task Clock_that_runs_ahead_and_is_put_right_leaves_no_two_keys_for_one_time()
    {
        await using SealingKeys keys = await StartAsync(_here);
        (SealingKey current, SealingKey next) = Pair(keys);
        Publish(current, next);
        _time.Jump(TimeSpan.FromDays(10));
        await keys.RunAsync(Ct);
        _time.Jump(TimeSpan.FromDays(-10));
        await keys.RunAsync(Ct);

        Assert.All(Offered(keys), key => Assert.False(key.Contradicts(current) || key.Contradicts(next)));
        _time.Jump(next.NotAfter - _time.GetUtcNow());
        await keys.RunAsync(Ct);
        Assert.Contains(Offered(keys), key => key.IsCurrentAt(_time.GetUtcNow()));
    }

    [Fact]
    public async Task Key_that_was_made_by_a_clock_far_ahead_is_not_offered_before_an_issuer_would_take_it()
    {
        await using SealingKeys keys = await StartAsync(_here);
        (SealingKey current, SealingKey next) = Pair(keys);
        Publish(current, next);
        _time.Jump(TimeSpan.FromDays(40));
        await keys.RunAsync(Ct);
        Assert.Equal(2, Offered(keys).Count);
        _time.Jump(TimeSpan.FromDays(-40));
        await keys.RunAsync(Ct);

        Assert.All(Offered(keys), key => Assert.True(key.NotBefore <= _time.GetUtcNow() + SealingKey.LongestValidity));
        _time.Jump(TimeSpan.FromDays(15));
        await keys.RunAsync(Ct);
        Assert.Contains(Offered(keys), key => key.NotBefore > _time.GetUtcNow() + TimeSpan.FromDays(20));
    }

    [Fact]
    public async Task Gateway_without_an_issuer_signs_for_itself()
    {
        await using SealingKeys keys = await StartAsync(_here, new SealingOptions { KeyFile = SecretReference.FromFile(KeyPath), SignedBy = SealingSignatory.Gateway });
        using Ed25519PublicKey pinned = Ed25519PublicKey.Import(keys.GatewayKey.Span);

        IReadOnlyList<SignedSealingKey> shown = keys.PublishedAt(_time.GetUtcNow());

        Assert.Equal(2, shown.Count);
        Assert.All(shown, key => Assert.True(key.Verify((message, signature) => pinned.Verify(message.Span, signature.Span))));
    }

    [Fact]
    public async Task Hybrid_keys_stand_beside_the_others_for_the_same_times()
    {
        HpkeSuite suite = HpkeSuite.MLKem768X25519ChaCha20Poly1305;
        Assert.SkipUnless(suite.IsSupported, "This libcrypto has no ML-KEM (OpenSSL 3.5).");
        await using SealingKeys keys = await StartAsync(_here, isHybrid: true);
        for (int day = 0; day < 3; day++)
        {
            IReadOnlyList<SealingKey> offered = Offered(keys);
            Assert.Equal([0x0020, 0x647a, 0x0020, 0x647a], offered.Select(key => (int)key.KemId));
            Assert.Equal(4, offered.Select(key => key.KeyId).Distinct().Count());
            Assert.Equal((offered[0].NotBefore, offered[2].NotAfter), (offered[1].NotBefore, offered[3].NotAfter));
            Assert.All(offered, key => Assert.True(keys.TryFind(key.KeyId, key.NotBefore, out SealingKeyPair? pair) && Opens(pair, key)));
            Publish([.. offered]);
            Assert.Equal(4, keys.PublishedAt(_time.GetUtcNow()).Count);
            _time.Jump(TimeSpan.FromDays(1));
            await keys.RunAsync(Ct);
        }
    }

    [Fact]
    public async Task Key_of_a_kem_that_this_instance_lacks_is_left_to_those_that_have_it()
    {
        await _here.WriteAsync(
            session => session.Execute(
                "INSERT INTO sealing_key (not_before, kem, not_after, sealed_key, config) VALUES ($1, $2, $3, $4, $5)",
                s_midnight.AddDays(-1).ToUnixTimeSeconds(), 0x7777, s_midnight.ToUnixTimeSeconds(), new byte[60], (byte[])[200, 0x77, 0x77, .. new byte[100], 0, 4, 0, 1, 0, 3]),
            Ct);
        await using SealingKeys keys = await StartAsync(_here);
        (SealingKey current, SealingKey next) = Pair(keys);
        Assert.False(keys.TryFind(200, _time.GetUtcNow(), out _));
        Assert.DoesNotContain((byte)200, new[] { current.KeyId, next.KeyId });
    }

    [Fact]
    public void Times_of_keys_never_overlap_and_leave_no_gap_whatever_lifetimes_and_clocks_do()
    {
        var taken = new List<KeyTime>();
        DateTimeOffset now = TestGateway.Start;
        for (int i = 0; i < 2000; i++)
        {
            TimeSpan lifetime = TimeSpan.FromHours(1 + (SHA256.HashData(BitConverter.GetBytes(i))[0] % 50));
            foreach (KeyTime made in SealingSchedule.FindMissing(taken, now, lifetime))
            {
                Assert.True(made.From < made.Until && made.Until - made.From <= lifetime);
                Assert.DoesNotContain(taken, other => made.From < other.Until && other.From < made.Until);
                taken.Add(made);
            }

            KeyTime current = taken.Find(time => time.Contains(now));
            Assert.True(current.Contains(now) && taken.Exists(time => time.From == current.Until));

            // Mostly on, at times back, and now and then far.
            now += TimeSpan.FromMinutes((SHA256.HashData(BitConverter.GetBytes(-i))[0] - 60) * (i % 40 == 0 ? 100 : 3));
        }
    }

    [Fact]
    public async Task Evidence_is_made_for_each_new_key_and_kept_with_it()
    {
        // What a machine's own tool does, as far as a gateway sees it: the data go in, some bytes come out.
        await using SealingKeys keys = await StartAsync(_here, WithEvidence("printf 'report on %s' \"$0\""));
        Assert.All(Offered(keys), key => Assert.Equal(
            ("sev-snp", "report on " + Convert.ToHexStringLower(SHA512.HashData(key.Config))), (key.Evidence?.Format, Encoding.ASCII.GetString(key.Evidence!.Bytes.Span))));

        await keys.RunAsync(Ct);
        await using SealingKeys there = await StartAsync(_there, WithEvidence("exit 1"));
        Assert.All(Offered(there), key => Assert.NotNull(key.Evidence));
    }

    [Theory]
    [InlineData("exit 3", "exit code 3")]
    [InlineData("true", "cannot be used")]
    [InlineData("head -c 10000 /dev/zero", "cannot be used")]
    public async Task Gateway_that_is_to_give_evidence_makes_no_key_without(string command, string why)
    {
        await using SealingKeys keys = await StartAsync(_here, WithEvidence(command));

        Assert.Empty(Offered(keys));
        Assert.Contains(why, keys.Fault, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Evidence_may_stand_in_a_file()
    {
        string path = Path.Combine(_folder, "evidence");
        SealingOptions options = new()
        {
            KeyFile = SecretReference.FromFile(KeyPath), PostQuantum = false, Evidence = new KeyEvidenceOptions { Format = "sev-snp", File = path },
        };
        await using SealingKeys keys = await StartAsync(_here, options);
        Assert.Empty(Offered(keys));

        await File.WriteAllTextAsync(path, "from elsewhere", Ct);
        await keys.RunAsync(Ct);
        Assert.All(Offered(keys), key => Assert.Equal("from elsewhere", Encoding.ASCII.GetString(key.Evidence!.Bytes.Span)));
        Assert.Null(keys.Fault);
    }

    [Fact]
    public async Task Private_half_is_gone_from_the_disk_an_hour_after_its_time()
    {
        Assert.SkipWhen(RoleDatabase.IsPostgres, "What PostgreSQL keeps of deleted rows, VACUUM and its own log decide.");
        await using SealingKeys keys = await StartAsync(_here);
        byte[] kept = await _here.ReadAsync(
            session => session.QuerySingle("SELECT sealed_key FROM sealing_key ORDER BY not_before LIMIT 1", static row => row.Blob(0))!, Ct);
        Assert.True(Contains(ReadFiles(), kept));

        _time.Jump(s_midnight - _time.GetUtcNow());
        await keys.RunAsync(Ct);
        Assert.True(Contains(ReadFiles(), kept));
        _time.Jump(SealingSchedule.Grace);
        await keys.RunAsync(Ct);

        // While it runs: neither in the file, nor in its log.
        Assert.False(Contains(ReadFiles(), kept));
    }

    private byte[] ReadFiles() => [.. Directory.GetFiles(_folder, "gateway.db*").Where(path => !path.EndsWith(".lock", StringComparison.Ordinal)).SelectMany(File.ReadAllBytes)];

    private static bool Contains(byte[] haystack, byte[] needle) => haystack.AsSpan().IndexOf(needle) >= 0;

    private static bool Opens(SealingKeyPair pair, SealingKey key)
    {
        Assert.True(HpkeSuite.TryFind(key.KemId, 0x0001, 0x0003, out HpkeSuite? suite));
        Assert.True(HpkePublicKey.TryImport(suite, key.PublicKey, out HpkePublicKey? publicKey));
        byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
        byte[] ciphertext = new byte[5 + suite.TagSizeInBytes];
        using HpkeSender sender = suite.SetupSender(publicKey, [], encapsulated);
        sender.Seal([], "hello"u8, ciphertext);
        using HpkeRecipient? recipient = suite.SetupRecipient(pair.PrivateKey, encapsulated, []);
        return recipient!.TryOpen([], ciphertext, new byte[5]);
    }

    private SealingOptions WithEvidence(string command) => new()
    {
        KeyFile = SecretReference.FromFile(KeyPath), PostQuantum = false,
        Evidence = new KeyEvidenceOptions { Format = "sev-snp", Command = ["/bin/sh", "-c", command] },
    };

    private static void WriteKeyFile(string path)
    {
        File.WriteAllBytes(path, RandomNumberGenerator.GetBytes(32));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private (SealingKey Current, SealingKey Next) Pair(SealingKeys keys)
    {
        IReadOnlyList<SealingKey> offered = Offered(keys);
        Assert.Equal(2, offered.Count);
        return (offered[0], offered[1]);
    }

    private IReadOnlyList<SealingKey> Offered(SealingKeys keys)
    {
        using Ed25519PublicKey pinned = Ed25519PublicKey.Import(keys.GatewayKey.Span);
        Assert.True(
            SealingOffer.TryOpen(
                keys.MakeOffer(_time.GetUtcNow()), TestIssuer.GatewayName, (message, signature) => pinned.Verify(message.Span, signature.Span), _time.GetUtcNow(),
                out SealingOffer? offer, out string? error),
            error);
        return offer.Keys;
    }

    private void Publish(params SealingKey[] keys)
    {
        _issuer.SealingKeys = keys;
        Assert.True(IssuerDirectory.TryParse(_issuer.Publish(), out _directory, out string? error), error);
    }

    private Task<SealingKeys> StartAsync(Database database, SealingOptions? options = null, bool isHybrid = false) => SealingKeys.StartAsync(
        database,
        new GatewayOptions
        {
            Name = TestIssuer.GatewayName, DirectoryKey = _issuer.DirectoryKey, DataDirectory = _folder,
            Sealing = (options ?? new SealingOptions { KeyFile = SecretReference.FromFile(KeyPath) }) with { PostQuantum = isHybrid },
        },
        () => null, () => _directory, _ => Task.CompletedTask, _time, NullLogger.Instance, Ct);

    private async Task OpenAsync()
    {
        string path = Path.Combine(_folder, "gateway.db");
        _here = await _role.OpenAsync(path, SpendTables.Migrations, _time, serializable: false);
        _there = RoleDatabase.IsPostgres ? await _role.OpenAsync(path, SpendTables.Migrations, _time, serializable: false) : _here;
    }

    private async Task CloseAsync()
    {
        await _here.DisposeAsync();
        await _there.DisposeAsync();
    }
}
