using System.Buffers.Text;
using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests.Support;

/// <summary>An issuer and its signer in a few lines: real keys, real tokens, a real signed directory.</summary>
public sealed class TestIssuer : ISigner, IDisposable
{
    public const string Name = "issuer.test";
    public const string GatewayName = "gateway.test";

    // Keys are dear to make and hold no state: all tests share a few.
    private static readonly BlindRsaPrivateKey[] s_keys = [.. MakeKeys(9)];

    private readonly Ed25519PrivateKey _directoryKey = Ed25519PrivateKey.Generate();
    private readonly List<(DirectoryPlan Plan, byte[] Spki)> _plans = [];
    private readonly Dictionary<string, BlindRsaPrivateKey> _signers = [];
    private readonly List<(PseudonymKey Key, byte[] Spki)> _pseudonyms = [];
    private int _nextKey;
    private byte[]? _previous;

    public string DirectoryKey => Base64Url.EncodeToString(_directoryKey.PublicKey.Export());

    public long Sequence { get; private set; }

    public List<DirectoryGateway> Gateways { get; } = [new(GatewayName, ["http://127.0.0.1:8226"])];

    /// <summary>Signatures refused from now on, as by a signer that went away.</summary>
    public bool SignerIsGone { get; set; }

    /// <summary>Signatures wait for this, as with a signer that hangs.</summary>
    public Task Hang { get; set; } = Task.CompletedTask;

    /// <summary>How the signer refuses from now on; null if it does not.</summary>
    public SignStatus? Refusal { get; set; }

    /// <summary>How often the signer was asked, whatever came of it.</summary>
    public int Asked { get; private set; }

    public int Signatures { get; private set; }

    /// <summary>What the last signature was for.</summary>
    public SigningPurpose? LastPurpose { get; private set; }

    /// <summary>Adds a plan with one key for each of these periods.</summary>
    public void AddPlan(Plan plan, params Period[] periods)
    {
        var keys = new List<PlanKey>();
        byte[] spki = [];
        foreach (Period period in periods)
        {
            BlindRsaPrivateKey key = s_keys[_nextKey++ % s_keys.Length];
            spki = key.PublicKey.ExportSubjectPublicKeyInfo();
            byte[] id = SHA256.HashData(spki);
            _signers[Convert.ToHexString(id)] = key;
            keys.Add(new PlanKey { PlanId = plan.Id, TokenKeyId = id, Period = period, NotBefore = period.IssueFrom });
            _plans.Add((new DirectoryPlan(plan, [keys[^1]]), spki));
        }
    }

    /// <summary>Adds a plan of type 0xDA7A under a key from the published vectors: making one takes half a minute.</summary>
    public void AddPartiallyBlindPlan(Plan plan, PartiallyBlindRsaPrivateKey key, params Period[] periods)
    {
        byte[] spki = key.PublicKey.ExportSubjectPublicKeyInfo();
        byte[] id = SHA256.HashData(spki);
        foreach (Period period in periods)
        {
            byte[] extensions = new PlanMetadata(plan.Id, period.Deadline).EncodeExtensions();
            _signers[Convert.ToHexString(id) + Convert.ToHexString(extensions)] = key.DeriveKey(extensions);
            _plans.Add((new DirectoryPlan(plan, [new PlanKey { PlanId = plan.Id, TokenKeyId = id, Period = period, NotBefore = period.IssueFrom, Extensions = extensions }]), spki));
        }
    }

    /// <summary>What the gateway asks for from the next directory on.</summary>
    public PseudonymOffer? Pseudonyms { get; set; }

    /// <summary>Makes the keys of an epoch, and the permanent one the first time.</summary>
    public void AddPseudonymKeys(Period epoch)
    {
        foreach (PseudonymKind kind in Pseudonyms!.Kinds)
        {
            if (kind == PseudonymKind.Permanent && _pseudonyms.Exists(entry => entry.Key.Kind == kind))
            {
                continue;
            }

            BlindRsaPrivateKey key = s_keys[_nextKey++ % s_keys.Length];
            byte[] spki = key.PublicKey.ExportSubjectPublicKeyInfo();
            byte[] id = SHA256.HashData(spki);
            _signers[Convert.ToHexString(id)] = key;
            _pseudonyms.Add((new PseudonymKey
            {
                Gateway = GatewayName,
                Kind = kind,
                TokenKeyId = id,
                Epoch = kind == PseudonymKind.Permanent ? null : epoch,
                NotBefore = epoch.IssueFrom,
            }, spki));
        }
    }

    /// <summary>A finished pseudonym, as a wallet would have it.</summary>
    public Token CreatePseudonym(PseudonymKind kind, byte[]? nonce = null, Period? epoch = null, string gateway = GatewayName)
    {
        (PseudonymKey key, byte[] spki) = _pseudonyms.Find(entry => entry.Key.Kind == kind && (epoch is null || entry.Key.Epoch == epoch));
        byte[] input = new byte[Token.InputSizeInBytes];
        Token.WriteInput(
            TokenType.BlindRsa, nonce ?? RandomNumberGenerator.GetBytes(32), TokenChallenge.ForGateway(TokenType.BlindRsa, Name, gateway).Digest(), key.TokenKeyId, input);
        byte[] blinded = new byte[256];
        using BlindingState state = BlindRsaPublicKey.ImportSubjectPublicKeyInfo(spki).Blind(BlindRsaVariant.DeterministicPss, input, blinded);
        byte[] signature = new byte[256];
        Assert.Equal(BlindSignStatus.Success, SignerOf(key.TokenKeyId, null).BlindSign(blinded, signature));
        byte[] authenticator = new byte[256];
        Assert.True(state.TryFinalize(signature, authenticator));
        return Token.Create(input, authenticator);
    }

    /// <summary>A transient pseudonym and the one that may take its place.</summary>
    public (Token Old, Token New, byte[] Opening) CreateRotation()
    {
        byte[] opening = RandomNumberGenerator.GetBytes(PseudonymNonce.OpeningSizeInBytes);
        byte[] rotatedNonce = RandomNumberGenerator.GetBytes(32);
        byte[] nonce = new byte[32];
        PseudonymNonce.Commit(rotatedNonce, opening, nonce);
        return (CreatePseudonym(PseudonymKind.Transient, nonce), CreatePseudonym(PseudonymKind.TransientRotated, rotatedNonce), opening);
    }

    public void RemovePlan(string id) => _plans.RemoveAll(plan => plan.Plan.Plan.Id == id);

    /// <summary>What the next directory says that requests to the gateway are sealed with.</summary>
    public IReadOnlyList<SealingKey> SealingKeys { get; set; } = [];

    /// <summary>Publishes the next directory.</summary>
    public byte[] Publish()
    {
        Sequence++;
        byte[] document = new IssuerDirectory
        {
            IssuerName = Name,
            IssuerRequestUri = "/token-request",
            TokenKeys =
            [
                .. _plans.DistinctBy(plan => Convert.ToHexString(plan.Spki)).Select(plan => new DirectoryTokenKey(plan.Plan.Plan.TokenType, plan.Spki, null)),
                .. _pseudonyms.Where(IsAskedFor).Select(entry => new DirectoryTokenKey(TokenType.BlindRsa, entry.Spki, null)),
            ],
            Pseudonyms = Pseudonyms is null ? [] : [new DirectoryPseudonyms(Pseudonyms, [.. _pseudonyms.Where(IsAskedFor).Select(entry => entry.Key)])],
            Plans = [.. _plans.GroupBy(plan => plan.Plan.Plan.Id).Select(group => new DirectoryPlan(group.First().Plan.Plan, [.. group.SelectMany(plan => plan.Plan.Keys)]))],
            Gateways = Gateways,
            SealingKeys = SealingKeys.Count == 0 ? [] : [new DirectorySealingKeys(GatewayName, [.. SealingKeys.Select(key => key.Sign(message => _directoryKey.Sign(message.Span)))])],
            Sequence = Sequence,
            Previous = _previous,
        }.SignAndEncode(message => _directoryKey.Sign(message.Span));
        Assert.True(IssuerDirectory.TryParse(document, out IssuerDirectory? parsed, out string? error), error);
        _previous = parsed.Hash();
        return document;
    }

    public PlanKey KeyOf(string planId, int index = 0) => _plans.Where(plan => plan.Plan.Plan.Id == planId).ElementAt(index).Plan.Keys[0];

    /// <summary>A finished token, as a wallet would have it.</summary>
    public TestToken CreateToken(string planId, int keyIndex = 0, string gateway = GatewayName, byte[]? nonce = null)
    {
        (DirectoryPlan plan, byte[] spki) = _plans.Where(plan => plan.Plan.Plan.Id == planId).ElementAt(keyIndex);
        PlanKey planKey = plan.Keys[0];
        TokenType type = plan.Plan.TokenType;
        byte[] input = new byte[Token.InputSizeInBytes];
        Token.WriteInput(
            type, nonce ?? RandomNumberGenerator.GetBytes(32), TokenChallenge.ForGateway(type, Name, gateway).Digest(), planKey.TokenKeyId, input);
        (BlindingState state, byte[] blinded, byte[] salt) = Blind(type, spki, planKey, input);
        using (state)
        {
            byte[] signature = new byte[256];
            Assert.Equal(BlindSignStatus.Success, SignerOf(planKey.TokenKeyId, planKey.Extensions).BlindSign(blinded, signature));
            byte[] authenticator = new byte[256];
            Assert.True(state.TryFinalize(signature, authenticator));
            return new TestToken(Token.Create(input, authenticator), planKey.Extensions) { Salt = type == TokenType.PartiallyBlindRsa ? salt : null };
        }
    }

    /// <summary>A blinded message for a successor and what is needed to finish it.</summary>
    public (TokenRequest Request, Func<byte[], TestToken?> Finish) CreateSuccessor(string planId, int keyIndex = 0)
    {
        (DirectoryPlan plan, byte[] spki) = _plans.Where(plan => plan.Plan.Plan.Id == planId).ElementAt(keyIndex);
        PlanKey planKey = plan.Keys[0];
        byte[] input = new byte[Token.InputSizeInBytes];
        Token.WriteInput(
            plan.Plan.TokenType, RandomNumberGenerator.GetBytes(32), TokenChallenge.ForGateway(plan.Plan.TokenType, Name, GatewayName).Digest(), planKey.TokenKeyId, input);
        (BlindingState state, byte[] blinded, _) = Blind(plan.Plan.TokenType, spki, planKey, input);
        return (
            TokenRequest.Create(plan.Plan.TokenType, planKey.TokenKeyId[^1], blinded, planKey.Extensions),
            signature =>
            {
                byte[] authenticator = new byte[256];
                return state.TryFinalize(signature, authenticator) ? new TestToken(Token.Create(input, authenticator), planKey.Extensions) : null;
            }
        );
    }

    public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken) => ValueTask.FromResult<IReadOnlyList<SignerKey>>([]);

    public async ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken)
    {
        Asked++;
        await Hang;
        if (Refusal is SignStatus refusal)
        {
            return SignResponse.Refused(refusal);
        }

        if (SignerIsGone)
        {
            throw new SignerUnavailableException("gone");
        }

        byte[] signature = new byte[256];
        if (SignerOf(request.TokenKeyId, request.Extensions).BlindSign(request.BlindedMessages[0].Span, signature) != BlindSignStatus.Success)
        {
            return SignResponse.Refused(SignStatus.InvalidBlindedMessage, 0);
        }

        Signatures++;
        LastPurpose = request.Purpose;
        return new SignResponse { Status = SignStatus.Success, BlindSignatures = [signature] };
    }

    public void Dispose() => _directoryKey.Dispose();

    private static (BlindingState State, byte[] Blinded, byte[] Salt) Blind(TokenType type, byte[] spki, PlanKey planKey, byte[] input)
    {
        byte[] blinded = new byte[256];
        byte[] salt = new byte[TokenTypes.SaltSizeInBytes];
        byte[] seed = RandomNumberGenerator.GetBytes(BlindRsaPublicKey.SeedSizeInBytes);
        BlindRsaPublicKey.DeriveSalt(seed, salt);
        if (type == TokenType.BlindRsa)
        {
            return (BlindRsaPublicKey.ImportSubjectPublicKeyInfo(spki).Blind(BlindRsaVariant.DeterministicPss, input, seed, blinded), blinded, salt);
        }

        using PartiallyBlindRsaPublicKey key = PartiallyBlindRsaPublicKey.ImportSubjectPublicKeyInfo(spki);
        return (key.DeriveKey(planKey.Extensions).Blind(BlindRsaVariant.DeterministicPss, input, seed, blinded), blinded, salt);
    }

    private static IEnumerable<BlindRsaPrivateKey> MakeKeys(int count)
    {
        // No two keys of a directory end alike, and some hold this one as well.
        using PartiallyBlindRsaPrivateKey other = SafePrimeKey.Import();
        var truncated = new HashSet<byte> { SHA256.HashData(other.PublicKey.ExportSubjectPublicKeyInfo())[^1] };
        while (truncated.Count <= count)
        {
            BlindRsaPrivateKey key = BlindRsaPrivateKey.Generate(2048);
            if (truncated.Add(SHA256.HashData(key.PublicKey.ExportSubjectPublicKeyInfo())[^1]))
            {
                yield return key;
            }
        }
    }

    private bool IsAskedFor((PseudonymKey Key, byte[] Spki) entry) => Pseudonyms!.Kinds.Contains(entry.Key.Kind);

    private BlindRsaPrivateKey SignerOf(byte[] tokenKeyId, byte[]? extensions) => _signers[Convert.ToHexString(tokenKeyId) + Convert.ToHexString(extensions ?? [])];
}

/// <summary>A token with its extensions, ready for a header.</summary>
public sealed record TestToken(Token Token, byte[]? Extensions)
{
    /// <summary>What goes beside the token; null: nothing.</summary>
    public byte[]? Salt { get; init; }

    public string Header => PrivateTokenHeader.FormatAuthorization(Token.Encoded.Span, Extensions, Salt);

    public TestToken With(Action<byte[]> change)
    {
        byte[] bytes = Token.Encode();
        change(bytes);
        Assert.True(Token.TryParse(bytes, out Token? changed));
        return this with { Token = changed };
    }
}
