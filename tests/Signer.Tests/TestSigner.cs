using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

/// <summary>A real signer in a folder of its own, with a clock that a test moves.</summary>
internal sealed class TestSigner : IAsyncDisposable
{
    private SignerService? _service;

    private TestSigner(SignerOptions options, FakeTime time)
    {
        Options = options;
        Time = time;
    }

    public TestFolder Folder { get; private init; } = null!;

    public RoleDatabase Database { get; private init; } = null!;

    public FakeTime Time { get; }

    public SignerOptions Options { get; private set; }

    public SignerService Service => _service!;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<TestSigner> StartAsync(DateTimeOffset start, params IReadOnlyList<Plan> plans)
    {
        var folder = new TestFolder();
        RoleDatabase database = await RoleDatabase.CreateAsync(folder.Beside("database"));
        var options = new SignerOptions { DataDirectory = folder.Data, Plans = plans, KeyFile = folder.KeyFile, Database = database.Options };
        var signer = new TestSigner(options, new FakeTime(start))
        {
            Folder = folder,
            Database = database,
        };
        await signer.OpenAsync();
        return signer;
    }

    public async Task OpenAsync(Func<SignerOptions, SignerOptions>? change = null)
    {
        Options = change?.Invoke(Options) ?? Options;
        _service = await SignerService.OpenAsync(Options, Time, NullLoggerFactory.Instance, Token);
    }

    /// <summary>The keys, once the service is closed.</summary>
    public async Task<KeyStore> OpenStoreAsync(ReadOnlyMemory<byte> secret) => await KeyStore.OpenAsync(
        await Database.OpenAsync(Path.Combine(Folder.Data, SignerOptions.DatabaseName), SignerSchema.Migrations, Time), KeyProtectionKind.KeyFile, secret, Token);

    public async Task CloseAsync()
    {
        if (_service is not null)
        {
            await _service.DisposeAsync();
            _service = null;
        }
    }

    /// <summary>Moves the clock and lets rotation catch up, as it does by itself within seconds.</summary>
    public async Task MoveToAsync(DateTimeOffset time)
    {
        Time.MoveTo(time);
        await Service.RotateAsync(Token);
    }

    public async Task<IReadOnlyList<SignerKey>> KeysAsync() => await Service.GetKeysAsync(Token);

    /// <summary>The key that a plan has for the period that starts then.</summary>
    public async Task<(SignerKey Key, PlanKey Plan)> KeyAsync(string planId, DateTimeOffset periodStart)
    {
        foreach (SignerKey key in await KeysAsync())
        {
            foreach (PlanKey plan in key.Plans)
            {
                if (plan.PlanId == planId && plan.Start == periodStart)
                {
                    return (key, plan);
                }
            }
        }

        throw new InvalidOperationException($"No key of {planId} for {periodStart}.");
    }

    public async Task<SignStatus> TrySignAsync(SignerKey key, PlanKey plan, SigningPurpose purpose = SigningPurpose.Issuance)
    {
        using var token = BlindedToken.Create(key.Type, key.SubjectPublicKeyInfo, plan.Extensions);
        SignResponse response = await Service.SignAsync(RequestFor(key, plan, purpose, [token]), Token);
        Assert.Equal(response.Status == SignStatus.Success, response.BlindSignatures.Count == 1 && token.Accepts(response.BlindSignatures[0]));
        return response.Status;
    }

    public static SignRequest RequestFor(SignerKey key, PlanKey plan, SigningPurpose purpose, IEnumerable<BlindedToken> tokens) => new()
    {
        TokenKeyId = key.TokenKeyId,
        Extensions = plan.Extensions,
        Purpose = purpose,
        BlindedMessages = [.. tokens.Select(token => token.Request.BlindedMessage)],
    };

    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        Folder.Dispose();
    }
}
