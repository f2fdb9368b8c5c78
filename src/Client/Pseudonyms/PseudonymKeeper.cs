using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// Pseudonyms for gateways that ask for one, where the user allows it. They are fetched ahead, on the wallet's own schedule or by an explicit command and at no
/// prompt (law 6), and the one that would replace a stolen one together with it: so the issuer does not learn that, or when, one is replaced. Thread safe.
/// </summary>
public sealed class PseudonymKeeper : IDisposable
{
    private const int MaxReplyBytes = 64 * 1024;
    private const int SecretsSize = TokenSecrets.BlindingSeedSizeInBytes + Token.NonceSizeInBytes;

    private readonly Wallet _wallet;
    private readonly WalletJournal _journal;
    private readonly DirectoryClient _directory;
    private readonly AccountClient _account;
    private readonly NoticeBoard _notices;
    private readonly AnonymousCaller _caller;
    private readonly CarrierRules _rules;
    private readonly RedemptionOptions _options;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _gate = new(1, 1);

    internal PseudonymKeeper(
        Wallet wallet, DirectoryClient directory, AccountClient account, TransportPool transports, NoticeBoard notices, RedemptionOptions options, TimeProvider time)
    {
        _wallet = wallet;
        _journal = wallet.Journal;
        _directory = directory;
        _account = account;
        _notices = notices;
        _caller = new AnonymousCaller(transports, time);
        _rules = transports.Rules;
        _options = options;
        _time = time;
    }

    internal bool IsAllowed => _options.AllowPseudonyms;

    /// <summary>Asks the issuer for what the wallet's gateway asks for, this epoch's and, if they issue already, the next one's. Nothing is asked for twice.</summary>
    /// <returns>What the wallet has then.</returns>
    /// <exception cref="ClientException"><see cref="ClientError.PseudonymRefused"/>: the settings allow none; or the issuer's doing.</exception>
    public async Task<IReadOnlyList<PseudonymHoldings>> FetchAsync(CancellationToken cancellationToken = default) =>
        await FetchAsync(await _directory.CurrentAsync(IsEnough, cancellationToken), cancellationToken);

    /// <summary>As <see cref="FetchAsync(CancellationToken)"/>, at a look, which has just fetched the directory.</summary>
    internal async Task FetchAtLookAsync(CancellationToken cancellationToken) =>
        await FetchAsync(await _directory.CurrentAsync(cancellationToken), cancellationToken);

    private bool IsEnough(IssuerDirectory directory) =>
        directory.FindPseudonyms(SeriesCatalog.Gateway(directory, _options.Gateway).Name) is { } pseudonyms
        && pseudonyms.Offer.Kinds.All(kind => pseudonyms.Find(kind, _time.GetUtcNow()) is not null);

    private async Task<IReadOnlyList<PseudonymHoldings>> FetchAsync(IssuerDirectory directory, CancellationToken cancellationToken)
    {
        DirectoryGateway gateway = SeriesCatalog.Gateway(directory, _options.Gateway);
        if (directory.FindPseudonyms(gateway.Name) is { } pseudonyms)
        {
            Allow(pseudonyms);
            await _gate.WaitAsync(cancellationToken);
            try
            {
                await FetchAsync(directory, gateway, pseudonyms, cancellationToken);
            }
            finally
            {
                _gate.Release();
            }
        }
        return await _journal.PseudonymHoldingsAsync(cancellationToken);
    }

    /// <summary>
    /// Puts the rotated pseudonym in the place of this epoch's transient one, which was stolen: the gateway counts on, and takes the stolen one no more. Once an
    /// epoch; repeating it after a lost answer is safe.
    /// </summary>
    /// <exception cref="ClientException"><see cref="ClientError.PseudonymMissing"/>: there is none to replace, or nothing yet to replace it by;
    /// <see cref="ClientError.GatewayUnreachable"/>; <see cref="ClientError.PseudonymRefused"/>.</exception>
    public async Task<PseudonymHoldings> RotateAsync(CancellationToken cancellationToken = default)
    {
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        DirectoryGateway gateway = SeriesCatalog.Gateway(directory, _options.Gateway);
        if (directory.FindPseudonyms(gateway.Name) is not { } pseudonyms || pseudonyms.Find(PseudonymKind.Transient, _time.GetUtcNow()) is not PseudonymKey stolen
            || pseudonyms.FindRotated(stolen) is not PseudonymKey rotated)
        {
            throw new ClientException(ClientError.PseudonymMissing, $"The gateway {gateway.Name} asks for no transient pseudonym now: there is nothing to replace.", "pseudonym_missing");
        }
        Allow(pseudonyms);
        await _gate.WaitAsync(cancellationToken);
        try
        {
            IReadOnlyList<PseudonymRow> rows = await _journal.PseudonymsAsync(directory.IssuerName, cancellationToken);
            PseudonymRow? old = Find(rows, stolen);
            PseudonymRow? next = Find(rows, rotated);
            if (old is not { State: not PseudonymState.Requested } || next is not { State: not PseudonymState.Requested })
            {
                throw Missing(gateway.Name);
            }
            if (next.State != PseudonymState.InPlace)
            {
                string issuer = directory.IssuerName;
                byte[] secrets = _journal.OpenPseudonymSecrets(old);
                PseudonymRotation rotation = PseudonymRotation.Create(
                    _journal.OpenPseudonym(old), _journal.OpenPseudonym(next), secrets.AsSpan(TokenSecrets.BlindingSeedSizeInBytes));
                await _journal.RotateAsync(issuer, next.KeyId, PseudonymState.Held, PseudonymState.Rotating, cancellationToken);
                try
                {
                    await PostRotationAsync(RedemptionClient.RouteTo(_options, _rules, gateway), rotation, cancellationToken);
                }
                catch (ClientException e) when (e.Error == ClientError.PseudonymRefused)
                {
                    await _journal.RotateAsync(issuer, next.KeyId, PseudonymState.Rotating, PseudonymState.Held, CancellationToken.None);
                    throw;
                }
                await _journal.RotateAsync(issuer, next.KeyId, PseudonymState.Rotating, PseudonymState.InPlace, CancellationToken.None);
            }
            return new PseudonymHoldings(gateway.Name, rotated.Kind.ToName(), rotated.Deadline, IsHeld: true, IsInPlace: true);
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

    /// <summary>Asks again for a replacement whose answer was lost. With the exchanges: only the gateway sees it.</summary>
    internal async Task ResumeRotationAsync(CancellationToken cancellationToken)
    {
        if ((await _journal.PseudonymHoldingsAsync(cancellationToken)).Count == 0)
        {
            return;
        }
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        IReadOnlyList<PseudonymRow> rows = await _journal.PseudonymsAsync(directory.IssuerName, cancellationToken);
        if (rows.Any(row => row.State == PseudonymState.Rotating && row.Deadline > _time.GetUtcNow()))
        {
            await RotateAsync(cancellationToken);
        }
    }

    /// <summary>What goes beside a request's token to this gateway; null if it asks for nothing, or nothing is allowed or there.</summary>
    /// <param name="begun">When the request began. A repetition shows what was shown then, though another epoch has come: one token beside two pseudonyms would tie the two
    /// together. Null too where that epoch is no longer listed.</param>
    internal async Task<string?> HeaderAsync(string gateway, DateTimeOffset begun, CancellationToken cancellationToken)
    {
        if (!IsAllowed)
        {
            return null;
        }
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        if (directory.FindPseudonyms(gateway) is not { } pseudonyms || await ShownAsync(directory, pseudonyms, begun, cancellationToken) is not { } shown)
        {
            return null;
        }
        foreach (PseudonymRow row in shown)
        {
            if (!row.IsTold && await _journal.NoteShownAsync(directory.IssuerName, row.KeyId, cancellationToken))
            {
                _notices.Post(NoticeKind.RequestsLinkable, Warning(gateway, row.Deadline));
            }
        }
        return PseudonymHeader.Format(shown.Select(row => (ReadOnlyMemory<byte>)_journal.OpenPseudonym(row)));
    }

    /// <summary>Before any token is shown: whether what the gateway asks for is allowed and there.</summary>
    /// <returns>The gateway's policy, if it asks for any pseudonym.</returns>
    internal async Task<string?> RequireAsync(IssuerDirectory directory, DirectoryGateway gateway, CancellationToken cancellationToken)
    {
        if (directory.FindPseudonyms(gateway.Name) is not { } pseudonyms)
        {
            return null;
        }
        Allow(pseudonyms);
        IReadOnlyList<PseudonymRow> shown = await ShownAsync(directory, pseudonyms, _time.GetUtcNow(), cancellationToken) ?? throw Missing(gateway.Name);
        if (shown.Any(row => !row.IsTold))
        {
            // Tokens that were returned were shown beside the one before.
            await _journal.GiveUpReturnedAsync(directory.IssuerName, gateway.Name, cancellationToken);
        }
        return pseudonyms.Offer.Policy.ToName();
    }

    /// <summary>Whether a request that began then was shown beside the pseudonym of an epoch that is over. Calls nobody.</summary>
    internal async Task<bool> IsEpochOverAsync(string gateway, DateTimeOffset begun, CancellationToken cancellationToken) =>
        IsAllowed && (await _directory.FindStoredAsync(cancellationToken)).Directory?.FindPseudonyms(gateway)?.Offer is { } offer
        && offer.Policy.HasFlag(PseudonymPolicy.Transient) && Period.Containing(offer.Period, begun) != Period.Containing(offer.Period, _time.GetUtcNow());

    private void Allow(DirectoryPseudonyms pseudonyms)
    {
        if (!IsAllowed)
        {
            throw new ClientException(
                ClientError.PseudonymRefused,
                $"The gateway {pseudonyms.Offer.Gateway} takes requests with a pseudonym only ({pseudonyms.Offer.Policy.ToName()}), by which it can link all of yours to each other. "
                + "Choose another gateway, or allow it in the settings: AllowPseudonyms = true.",
                "pseudonym_refused");
        }
    }

    /// <summary>One of each kind that the policy asks for; null if one is not there.</summary>
    private async Task<IReadOnlyList<PseudonymRow>?> ShownAsync(
        IssuerDirectory directory, DirectoryPseudonyms pseudonyms, DateTimeOffset at, CancellationToken cancellationToken)
    {
        IReadOnlyList<PseudonymRow> rows = await _journal.PseudonymsAsync(directory.IssuerName, cancellationToken);
        List<PseudonymRow> shown = [];
        foreach (PseudonymKind kind in pseudonyms.Offer.Kinds.Where(kind => kind != PseudonymKind.TransientRotated))
        {
            PseudonymKey? key = pseudonyms.Find(kind, at);
            PseudonymRow? row = key is null ? null : Find(rows, key);
            if (key is not null && pseudonyms.FindRotated(key) is PseudonymKey rotated && Find(rows, rotated) is { State: PseudonymState.InPlace } inPlace)
            {
                row = inPlace;
            }
            if (row is not { SealedToken: not null })
            {
                return null;
            }
            shown.Add(row);
        }
        return shown;
    }

    private async Task FetchAsync(IssuerDirectory directory, DirectoryGateway gateway, DirectoryPseudonyms pseudonyms, CancellationToken cancellationToken)
    {
        await _journal.ExpirePseudonymsAsync(directory, cancellationToken);
        HashSet<PseudonymKind> kinds = [.. pseudonyms.Offer.Kinds];
        IReadOnlyList<PseudonymRow> rows = await _journal.PseudonymsAsync(directory.IssuerName, cancellationToken);
        foreach (PseudonymKey key in pseudonyms.Keys.Where(key => kinds.Contains(key.Kind) && key.IssuesAt(_time.GetUtcNow())))
        {
            if (Find(rows, key) is not { State: not PseudonymState.Requested })
            {
                await FetchAsync(directory, gateway, pseudonyms, key, cancellationToken);
            }
        }
    }

    private async Task FetchAsync(
        IssuerDirectory directory, DirectoryGateway gateway, DirectoryPseudonyms pseudonyms, PseudonymKey key, CancellationToken cancellationToken)
    {
        string bearer = await _account.KeyAsync(cancellationToken);
        byte[] digest = TokenChallenge.ForGateway(TokenType.BlindRsa, directory.IssuerName, gateway.Name).Digest();
        byte[] secrets = await ReserveAsync(directory, key, digest, cancellationToken);
        byte[] nonce = secrets[TokenSecrets.BlindingSeedSizeInBytes..];
        if (pseudonyms.FindRotated(key) is PseudonymKey rotated && key.Kind == PseudonymKind.Transient)
        {
            // Its own nonce is the opening: what it shows commits to the one that may replace it.
            byte[] successor = await ReserveAsync(directory, rotated, digest, cancellationToken);
            PseudonymNonce.Commit(successor.AsSpan(TokenSecrets.BlindingSeedSizeInBytes), secrets.AsSpan(TokenSecrets.BlindingSeedSizeInBytes), nonce);
            CryptographicOperations.ZeroMemory(successor);
        }
        using TokenSecrets own = TokenSecrets.Import(secrets.AsSpan(0, TokenSecrets.BlindingSeedSizeInBytes), nonce);
        CryptographicOperations.ZeroMemory(secrets);
        if (directory.FindTokenKey(key.TokenKeyId) is not DirectoryTokenKey publicKey
            || !TokenPublicKey.TryImport(TokenType.BlindRsa, publicKey.SubjectPublicKeyInfo, [], out TokenPublicKey? usable))
        {
            throw new ClientException(ClientError.DirectoryRefused, "A key for pseudonyms in the issuer's directory is not usable.");
        }
        using (usable)
        {
            using TokenIssuance issuance = TokenIssuance.Begin(usable, digest, own);
            ServiceReply reply = await _account.Issuer.SendAsync(
                HttpMethod.Post, _account.Issuer.Route.Resolve(Routes.PseudonymRequest), bearer, issuance.Request.Encode(), MediaTypes.TokenRequest,
                MediaTypes.TokenResponse, MaxReplyBytes, cancellationToken);
            if (!reply.IsSuccess)
            {
                throw IssuerConnection.Refuse(reply);
            }
            if (!TokenResponse.TryParse(reply.Body, out byte[]? signature) || !issuance.TryFinalize(signature, out Token? token))
            {
                throw new ClientException(ClientError.IssuerMisbehaved, "The issuer sent a signature of a pseudonym that is not valid. It is asked for again; if this repeats, ask the operator.");
            }
            using (token)
            {
                await _journal.HoldPseudonymAsync(directory.IssuerName, key.TokenKeyId, token.Encode(), cancellationToken);
            }
        }
    }

    /// <summary>Blinding seed and nonce, or opening, of a key's one pseudonym: from the seed where the wallet is recoverable, and in the journal either way.</summary>
    private Task<byte[]> ReserveAsync(IssuerDirectory directory, PseudonymKey key, byte[] digest, CancellationToken cancellationToken)
    {
        byte[] secrets = new byte[SecretsSize];
        if (_wallet.IsRecoverable)
        {
            WalletDerivation.Derive(
                _wallet.Keys.Seed.Bytes,
                new TokenContext
                {
                    IssuerName = directory.IssuerName, Type = TokenType.BlindRsa, TokenKeyId = key.TokenKeyId, ChallengeDigest = digest,
                    Namespace = TokenNamespace.Pseudonym, Index = 0,
                },
                secrets.AsSpan(0, TokenSecrets.BlindingSeedSizeInBytes), secrets.AsSpan(TokenSecrets.BlindingSeedSizeInBytes));
        }
        else
        {
            RandomNumberGenerator.Fill(secrets);
        }
        return _journal.ReservePseudonymAsync(directory.IssuerName, key, secrets, cancellationToken);
    }

    /// <summary>On a connection of its own, with no token.</summary>
    private async Task PostRotationAsync(Route route, PseudonymRotation rotation, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, route.Resolve(Routes.PseudonymRotate));
        request.Headers.TryAddWithoutValidation("Accept", MediaTypes.Json);
        request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(rotation, GatewayJson.Default.PseudonymRotation));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.Json);
        ServiceReply reply;
        try
        {
            reply = await _caller.SendAsync(route, request, MaxReplyBytes, cancellationToken);
        }
        catch (TransportException e)
        {
            throw e.ToClientException(ClientError.GatewayUnreachable, $"The gateway cannot be reached. {e.Message} Repeating the command is safe.");
        }
        if (!reply.IsSuccess)
        {
            throw new ClientException(
                reply.Status >= 500 ? ClientError.GatewayUnreachable : ClientError.PseudonymRefused,
                $"The gateway did not replace the pseudonym: it answered {reply.Status}. {GatewayConnection.ErrorText(reply.Body)}");
        }
    }

    private static PseudonymRow? Find(IReadOnlyList<PseudonymRow> rows, PseudonymKey key) => rows.FirstOrDefault(row => row.KeyId.AsSpan().SequenceEqual(key.TokenKeyId));

    private static ClientException Missing(string gateway) => new(
        ClientError.PseudonymMissing,
        $"The pseudonym that the gateway {gateway} asks for is not there yet. The running app fetches it when it next talks to the issuer, whatever is asked until then; "
        + "`tacit wallet pseudonym fetch` does so now.",
        "pseudonym_missing");

    private static string Warning(string gateway, DateTimeOffset? until) =>
        $"The gateway {gateway} can link your requests to each other by a pseudonym, "
        + (until is DateTimeOffset end ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"those until {end:yyyy-MM-dd}.") : "all that you ever ask there.")
        + " It does not tell who you are. AllowPseudonyms = false stops that.";
}
