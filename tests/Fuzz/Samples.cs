using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Fuzz;

/// <summary>Valid inputs: made here, and read from the published vectors where they are at hand.</summary>
public static class Samples
{
    /// <summary>1 December 2026.</summary>
    public static DateTimeOffset Now { get; } = new(2026, 12, 1, 12, 0, 0, TimeSpan.Zero);

    /// <summary>The folder of the published vectors, or null.</summary>
    public static string? VectorFolder { get; } = FindVectors();

    public static byte[] Filled(int count, byte seed)
    {
        byte[] bytes = new byte[count];
        for (int i = 0; i < count; i++)
        {
            bytes[i] = unchecked((byte)(seed + (i * 7)));
        }

        return bytes;
    }

    public static byte[] Metadata { get; } =
        new PlanMetadata("chat-large", Period.Containing(PeriodKind.Month, Now).Deadline).EncodeExtensions();

    public static byte[] TokenBytes(TokenType type)
    {
        byte[] input = new byte[Token.InputSizeInBytes];
        Token.WriteInput(type, Filled(32, 1), Filled(32, 2), Filled(32, 3), input);
        return Token.Create(input, Filled(256, 4)).Encode();
    }

    public static TokenRequest Request(TokenType type, byte seed) =>
        TokenRequest.Create(type, seed, Filled(256, seed), type == TokenType.BlindRsa ? default : Metadata);

    /// <summary>Not real keys: the directory's rules look at their hashes only.</summary>
    public static IssuerDirectory Directory(int months = 2)
    {
        Period period = Period.Containing(PeriodKind.Month, Now);
        List<DirectoryTokenKey> keys = [];
        List<PlanKey> small = [];
        List<PlanKey> large = [];
        DirectoryTokenKey shared = new(TokenType.PartiallyBlindRsa, Filled(300, 77), period.IssueFrom);
        keys.Add(shared);
        for (int i = 0; i < months; i++)
        {
            DirectoryTokenKey key = new(TokenType.BlindRsa, Filled(300, (byte)(10 + i)), period.IssueFrom);
            keys.Add(key);
            small.Add(new PlanKey { PlanId = "chat", TokenKeyId = key.TokenKeyId, Period = period, NotBefore = period.IssueFrom });
            large.Add(new PlanKey
            {
                PlanId = "chat-large", TokenKeyId = shared.TokenKeyId, Period = period, NotBefore = period.IssueFrom,
                Extensions = new PlanMetadata("chat-large", period.Deadline).EncodeExtensions(),
            });
            period = period.Next;
        }

        return new IssuerDirectory
        {
            IssuerName = "issuer.example",
            IssuerRequestUri = "/token-request",
            TokenKeys = keys,
            Plans =
            [
                new DirectoryPlan(
                    new Plan
                    {
                        Id = "chat", Models = ["tacit-demo"], MaxInputBytes = 262144, MaxOutputTokens = 4096, Price = new Credits(1),
                        Period = PeriodKind.Month,
                    },
                    small),
                new DirectoryPlan(
                    new Plan
                    {
                        Id = "chat-large", Models = ["tacit-demo"], MaxInputBytes = 1 << 20, MaxOutputTokens = 32768, Price = new Credits(4),
                        Period = PeriodKind.Month, TokenType = TokenType.PartiallyBlindRsa,
                    },
                    large),
            ],
            Gateways = [new DirectoryGateway("gateway.example", ["http://" + Onion, "https://gateway.example"])],
            Sequence = 2,
            Previous = Filled(32, 9),
        };
    }

    public const string Onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    /// <summary>A gateway's current key, with evidence, and the next.</summary>
    public static IReadOnlyList<SealingKey> SealingKeys { get; } =
    [
        new SealingKey
        {
            Gateway = "gateway.example", Config = SealingKey.EncodeConfig(7, Filled(32, 1)),
            NotBefore = DateTimeOffset.UnixEpoch.AddDays(20000), NotAfter = DateTimeOffset.UnixEpoch.AddDays(20001),
            Evidence = new KeyEvidence("sev-snp", Filled(100, 3)),
        },
        new SealingKey
        {
            Gateway = "gateway.example", Config = SealingKey.EncodeConfig(8, Filled(32, 2)),
            NotBefore = DateTimeOffset.UnixEpoch.AddDays(20001), NotAfter = DateTimeOffset.UnixEpoch.AddDays(20002),
        },
    ];

    public static byte[] SealingOfferDocument { get; } = new SealingOffer
    {
        Gateway = "gateway.example", MadeAt = DateTimeOffset.UnixEpoch.AddDays(20000), Keys = SealingKeys, Onion = Onion,
    }.SignAndEncode(_ => Filled(64, 7));

    public static byte[] SealingKeyDocument { get; } = new SealingKeyDocument
    {
        Gateway = "gateway.example", ServerTime = DateTimeOffset.UnixEpoch.AddDays(20000), Keys = [.. SealingKeys.Select(key => key.Sign(_ => Filled(64, 6)))],
    }.Encode();

    public static byte[] DirectoryDocument { get; } = (Directory() with
    {
        Onion = Onion,
        SealingKeys = [new DirectorySealingKeys("gateway.example", [.. SealingKeys.Select(key => key.Sign(_ => Filled(64, 6)))])],
    }).SignAndEncode(_ => Filled(64, 5));

    public static IReadOnlyList<SignerKey> SignerKeys()
    {
        IssuerDirectory directory = Directory();
        return
        [
            .. directory.TokenKeys.Select(key => new SignerKey
            {
                Type = key.Type,
                TokenKeyId = key.TokenKeyId,
                SubjectPublicKeyInfo = key.SubjectPublicKeyInfo,
                NotBefore = key.NotBefore!.Value,
                Plans = [.. directory.Plans.SelectMany(plan => plan.Keys).Where(plan => plan.TokenKeyId.AsSpan().SequenceEqual(key.TokenKeyId))],
            }),
        ];
    }

    public static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>The hex members called <paramref name="member"/> in a vector file; nothing where the vectors are not at hand.</summary>
    public static IEnumerable<byte[]> FromVectors(string file, string member, string standard = "privacypass") =>
        TextFromVectors(file, member, standard).Where(text => text.Length > 0).Select(Convert.FromHexString);

    public static IEnumerable<string> TextFromVectors(string file, string member, string standard = "privacypass")
    {
        string? path = VectorFolder is null ? null : Path.Combine(VectorFolder, standard, file);
        if (path is null || !File.Exists(path))
        {
            return [];
        }

        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.GetProperty("vectors").EnumerateArray()
            .Where(vector => vector.TryGetProperty(member, out _))
            .Select(vector => vector.GetProperty(member).GetString()!)];
    }

    /// <summary>Bytes that depend on nothing but their number, for places where a pattern would hide a mix-up.</summary>
    public static byte[] Digest(int number) => SHA256.HashData(BitConverter.GetBytes(number));

    private static string? FindVectors()
    {
        string? named = Environment.GetEnvironmentVariable("TACIT_VECTORS");
        if (!string.IsNullOrEmpty(named))
        {
            return System.IO.Directory.Exists(named) ? named : null;
        }

        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
            {
                string beside = Path.GetFullPath(Path.Combine(folder.FullName, "..", "shared", "vectors"));
                return System.IO.Directory.Exists(beside) ? beside : null;
            }
        }

        return null;
    }
}
