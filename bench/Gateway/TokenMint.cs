using System.Buffers.Text;
using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Bench.Gateway;

/// <summary>An issuer's keys and directory, and tokens made with the private keys at hand.</summary>
internal sealed class TokenMint : IDisposable
{
    private const string IssuerName = "bench.issuer";

    private readonly BlindRsaPrivateKey _plain;
    private readonly PartiallyBlindRsaPrivateKey _safe;
    private readonly BlindRsaPrivateKey _derived;
    private readonly byte[] _extensions;
    private readonly Ed25519PrivateKey _directoryKey = Ed25519PrivateKey.Generate();
    private readonly Period _period;

    internal TokenMint(PartiallyBlindRsaPrivateKey safe, TimeProvider time)
    {
        _safe = safe;
        byte taken = SHA256.HashData(safe.PublicKey.ExportSubjectPublicKeyInfo())[^1];
        _plain = BlindRsaPrivateKey.Generate(2048);
        while (SHA256.HashData(_plain.PublicKey.ExportSubjectPublicKeyInfo())[^1] == taken)
        {
            // Truncated key ids have one byte, and no two keys of a directory share one.
            _plain.Dispose();
            _plain = BlindRsaPrivateKey.Generate(2048);
        }

        _period = Period.Containing(PeriodKind.Month, time.GetUtcNow());
        _extensions = new PlanMetadata("large", _period.Deadline).EncodeExtensions();
        _derived = safe.DeriveKey(_extensions);
    }

    /// <summary>Of the period that the tokens are spent in.</summary>
    internal DateTimeOffset Deadline => _period.Deadline;

    /// <summary>Writes the directory and its key for the gateway.</summary>
    internal async Task PublishAsync(string folder, CancellationToken cancellationToken)
    {
        byte[] plain = _plain.PublicKey.ExportSubjectPublicKeyInfo();
        byte[] safe = _safe.PublicKey.ExportSubjectPublicKeyInfo();
        Plan chat = new()
        {
            Id = "chat", Models = ["bench"], MaxInputBytes = 64 * 1024, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month,
        };
        byte[] document = new IssuerDirectory
        {
            IssuerName = IssuerName,
            IssuerRequestUri = "/token-request",
            TokenKeys = [new DirectoryTokenKey(TokenType.BlindRsa, plain, null), new DirectoryTokenKey(TokenType.PartiallyBlindRsa, safe, null)],
            Plans =
            [
                new DirectoryPlan(chat, [new PlanKey { PlanId = "chat", TokenKeyId = SHA256.HashData(plain), Period = _period, NotBefore = _period.IssueFrom }]),
                new DirectoryPlan(
                    chat with { Id = "large", TokenType = TokenType.PartiallyBlindRsa },
                    [new PlanKey { PlanId = "large", TokenKeyId = SHA256.HashData(safe), Period = _period, NotBefore = _period.IssueFrom, Extensions = _extensions }]),
            ],
            Gateways = [new DirectoryGateway(Roles.GatewayName, ["http://127.0.0.1"])],
            Sequence = 1,
        }.SignAndEncode(message => _directoryKey.Sign(message.Span));
        await File.WriteAllBytesAsync(Path.Combine(folder, "directory.json"), document, cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "directory.key"), Base64Url.EncodeToString(_directoryKey.PublicKey.Export()), cancellationToken);
    }

    /// <summary>Authorization header values, one token each.</summary>
    /// <param name="type">The token type.</param>
    /// <param name="count">How many.</param>
    /// <param name="salted">Whether 0xDA7A tokens come with their salts.</param>
    /// <param name="wrongSalts">How many in a hundred come with another's instead.</param>
    internal string[] Mint(TokenType type, int count, bool salted = true, int wrongSalts = 0)
    {
        byte[] extensions = type == TokenType.BlindRsa ? [] : _extensions;
        BlindRsaPrivateKey key = type == TokenType.BlindRsa ? _plain : _derived;
        byte[] keyId = SHA256.HashData(type == TokenType.BlindRsa ? _plain.PublicKey.ExportSubjectPublicKeyInfo() : _safe.PublicKey.ExportSubjectPublicKeyInfo());
        byte[] digest = TokenChallenge.ForGateway(type, IssuerName, Roles.GatewayName).Digest();
        string[] headers = new string[count];
        Parallel.For(0, count, i =>
        {
            byte[] input = new byte[Token.InputSizeInBytes];
            Token.WriteInput(type, RandomNumberGenerator.GetBytes(32), digest, keyId, input);
            byte[] blinded = new byte[256];
            byte[] seed = RandomNumberGenerator.GetBytes(BlindRsaPublicKey.SeedSizeInBytes);
            byte[] salt = new byte[TokenTypes.SaltSizeInBytes];
            BlindRsaPublicKey.DeriveSalt(seed, salt);
            salt[0] ^= (byte)(RandomNumberGenerator.GetInt32(100) < wrongSalts ? 1 : 0);
            using BlindingState state = key.PublicKey.Blind(BlindRsaVariant.DeterministicPss, input, seed, blinded);
            byte[] signature = new byte[256];
            byte[] authenticator = new byte[256];
            if (key.BlindSign(blinded, signature) != BlindSignStatus.Success || !state.TryFinalize(signature, authenticator))
            {
                throw new InvalidOperationException("A token could not be made.");
            }

            headers[i] = PrivateTokenHeader.FormatAuthorization(Token.Create(input, authenticator).Encoded.Span, extensions, salted && type == TokenType.PartiallyBlindRsa ? salt : default);
        });
        return headers;
    }

    /// <summary>Tokens that pass every check but the last.</summary>
    internal string[] Forge(TokenType type, int count)
    {
        byte[] extensions = type == TokenType.BlindRsa ? [] : _extensions;
        byte[] keyId = SHA256.HashData(type == TokenType.BlindRsa ? _plain.PublicKey.ExportSubjectPublicKeyInfo() : _safe.PublicKey.ExportSubjectPublicKeyInfo());
        byte[] digest = TokenChallenge.ForGateway(type, IssuerName, Roles.GatewayName).Digest();
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            byte[] input = new byte[Token.InputSizeInBytes];
            Token.WriteInput(type, RandomNumberGenerator.GetBytes(32), digest, keyId, input);
            byte[] authenticator = RandomNumberGenerator.GetBytes(256);
            authenticator[0] = 0;
            byte[] salt = type == TokenType.BlindRsa ? [] : RandomNumberGenerator.GetBytes(TokenTypes.SaltSizeInBytes);
            return PrivateTokenHeader.FormatAuthorization(Token.Create(input, authenticator).Encoded.Span, extensions, salt);
        })];
    }

    /// <summary>CPU seconds of one verification.</summary>
    internal double VerificationCost(TokenType type, TimeProvider time)
    {
        byte[] spki = (type == TokenType.BlindRsa ? _plain.PublicKey.ExportSubjectPublicKeyInfo() : _safe.PublicKey.ExportSubjectPublicKeyInfo());
        if (!TokenPublicKey.TryImport(type, spki, type == TokenType.BlindRsa ? [] : _extensions, out TokenPublicKey? key)
            || !PrivateTokenHeader.TryParseAuthorization(Mint(type, 1)[0], out PrivateTokenCredentials? credentials)
            || !Token.TryParse(credentials.Token, out Token? token))
        {
            throw new InvalidOperationException("A token could not be made.");
        }

        using (key)
        {
            const int Count = 1000;
            key.Verify(token);
            long started = time.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                key.Verify(token);
            }

            return time.GetElapsedTime(started).TotalSeconds / Count;
        }
    }

    public void Dispose()
    {
        _plain.Dispose();
        _safe.Dispose();
        _derived.Dispose();
        _directoryKey.Dispose();
    }
}
