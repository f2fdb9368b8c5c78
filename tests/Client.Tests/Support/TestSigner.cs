using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Client.Tests.Support;

/// <summary>A signer that has a key for every period at once. Its keys are made once per test run, or come from the published vectors: what is tested is not it.</summary>
public sealed class TestSigner(IReadOnlyList<Plan> plans, TimeProvider time, PseudonymOffer? pseudonyms = null) : ISigner, IDisposable
{
    private static readonly Lock s_gate = new();
    private static readonly List<BlindRsaPrivateKey> s_keys = [];
    private static readonly Lazy<PartiallyBlindRsaPrivateKey?> s_family = new(LoadFamily);

    private readonly Dictionary<string, BlindRsaPrivateKey> _derived = [];

    /// <summary>Whether the key for 0xDA7A is there, which the vectors hold: making one takes half a minute.</summary>
    public static bool HasPartiallyBlindKey => s_family.Value is not null;

    public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken)
    {
        List<SignerKey> keys = [];
        int next = 0;
        foreach (Plan plan in plans.Where(plan => plan.TokenType == TokenType.BlindRsa))
        {
            foreach (Period period in Periods(plan))
            {
                byte[] spki = Key(next++).PublicKey.ExportSubjectPublicKeyInfo();
                if (period.ExchangeUntil <= time.GetUtcNow())
                {
                    continue;
                }
                keys.Add(ToKey(TokenType.BlindRsa, spki, [ToPlanKey(plan, period, spki)]));
            }
        }
        Plan[] partial = [.. plans.Where(plan => plan.TokenType == TokenType.PartiallyBlindRsa)];
        if (partial.Length > 0)
        {
            byte[] spki = s_family.Value!.PublicKey.ExportSubjectPublicKeyInfo();
            keys.Add(ToKey(TokenType.PartiallyBlindRsa, spki, [.. partial.SelectMany(plan => Periods(plan).Where(period => period.ExchangeUntil > time.GetUtcNow()).Select(period => ToPlanKey(plan, period, spki)))]));
        }
        foreach (PseudonymKind kind in pseudonyms?.Kinds ?? [])
        {
            Period epoch = Period.Containing(pseudonyms!.Period, _start);
            foreach (Period? each in kind == PseudonymKind.Permanent ? [null] : (Period?[])[epoch, epoch.Next])
            {
                byte[] spki = Key(next++).PublicKey.ExportSubjectPublicKeyInfo();
                DateTimeOffset notBefore = (each ?? epoch).IssueFrom;
                if (notBefore > time.GetUtcNow() || (each is { } ends && ends.Deadline <= time.GetUtcNow()))
                {
                    continue;
                }
                keys.Add(ToKey(TokenType.BlindRsa, spki, []) with
                {
                    Pseudonym = new PseudonymKey { Gateway = pseudonyms.Gateway, Kind = kind, TokenKeyId = SHA256.HashData(spki), Epoch = each, NotBefore = notBefore },
                });
            }
        }
        return ValueTask.FromResult<IReadOnlyList<SignerKey>>(keys);
    }

    /// <summary>What happens to a call, and whether its answer arrives; for tests of calls that are lost.</summary>
    public Func<SigningPurpose, (bool Arrives, bool IsAnswered)> Fate { get; set; } = _ => (true, true);

    public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
    {
        (bool arrives, bool answered) = Fate(request.Purpose);
        if (!arrives)
        {
            throw new SignerUnavailableException("The call was lost.");
        }
        SignResponse response = Sign(request);
        return answered ? ValueTask.FromResult(response) : throw new SignerUnavailableException("The answer was lost.");
    }

    private SignResponse Sign(SignRequest request)
    {
        BlindRsaPrivateKey key = Find(request);
        byte[] signatures = new byte[256 * request.BlindedMessages.Count];
        return key.BlindSignBatch(request.BlindedMessages, signatures, out int failed) == BlindSignStatus.Success
            ? new SignResponse { Status = SignStatus.Success, BlindSignatures = [.. signatures.Chunk(256)] }
            : SignResponse.Refused(SignStatus.InvalidBlindedMessage, failed);
    }

    public void Dispose()
    {
        foreach (BlindRsaPrivateKey key in _derived.Values)
        {
            key.Dispose();
        }
    }

    /// <summary>The period in which the run began and the next: a key stays what it was when the clock moves on.</summary>
    private Period[] Periods(Plan plan)
    {
        Period now = Period.Containing(plan.Period, _start);
        return [now, now.Next];
    }

    private readonly DateTimeOffset _start = time.GetUtcNow();

    private BlindRsaPrivateKey Find(SignRequest request)
    {
        if (request.Extensions is byte[] extensions)
        {
            lock (_derived)
            {
                string name = Convert.ToHexString(extensions);
                return _derived.TryGetValue(name, out BlindRsaPrivateKey? known) ? known : _derived[name] = s_family.Value!.DeriveKey(extensions);
            }
        }
        lock (s_gate)
        {
            return s_keys.First(key => SHA256.HashData(key.PublicKey.ExportSubjectPublicKeyInfo()).AsSpan().SequenceEqual(request.TokenKeyId));
        }
    }

    private static PlanKey ToPlanKey(Plan plan, Period period, byte[] spki) => new()
    {
        PlanId = plan.Id,
        TokenKeyId = SHA256.HashData(spki),
        Period = period,
        NotBefore = period.IssueFrom,
        Extensions = plan.TokenType == TokenType.PartiallyBlindRsa ? new PlanMetadata(plan.Id, period.Deadline).EncodeExtensions() : null,
    };

    private static SignerKey ToKey(TokenType type, byte[] spki, IReadOnlyList<PlanKey> plans) => new()
    {
        Type = type,
        TokenKeyId = SHA256.HashData(spki),
        SubjectPublicKeyInfo = spki,
        NotBefore = DateTimeOffset.UnixEpoch,
        Plans = plans,
    };

    private static BlindRsaPrivateKey Key(int index)
    {
        lock (s_gate)
        {
            while (s_keys.Count <= index)
            {
                BlindRsaPrivateKey key = BlindRsaPrivateKey.Generate(2048);
                byte last = LastByte(key);
                if (s_keys.All(other => LastByte(other) != last) && (s_family.Value is null || LastByte(s_family.Value.PublicKey.ExportSubjectPublicKeyInfo()) != last))
                {
                    s_keys.Add(key);
                }
            }
            return s_keys[index];
        }
    }

    private static byte LastByte(BlindRsaPrivateKey key) => LastByte(key.PublicKey.ExportSubjectPublicKeyInfo());

    private static byte LastByte(byte[] spki) => SHA256.HashData(spki)[^1];

    private static PartiallyBlindRsaPrivateKey? LoadFamily()
    {
        string path = Path.Combine(TestVectors.Folder, "privacypass", "da7a_partially_blind_rsa.json");
        if (!File.Exists(path))
        {
            return null;
        }
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(path));
        string pem = System.Text.Encoding.ASCII.GetString(Convert.FromHexString(json.RootElement.GetProperty("vectors")[0].GetProperty("skS").GetString()!));
        PemFields fields = PemEncoding.Find(pem);
        return PartiallyBlindRsaPrivateKey.ImportPkcs8(Convert.FromBase64String(pem[fields.Base64Data]));
    }
}
