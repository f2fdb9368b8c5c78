using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App.Keys;

/// <summary>
/// Keys for the programs of this machine, so that each can be held to credits a day and its spending be seen. They are the app's own business: none leaves it, and what a request
/// looks like outside does not depend on them. Of a key only a keyed hash is kept, of use only counts by the day. Thread safe.
/// </summary>
internal sealed class LocalKeys : IAsyncDisposable
{
    public const string Prefix = "tacit-";

    private const int KeySizeInBytes = 24;
    private const int MaxKeys = 1000;
    private static readonly PageEvent<IReadOnlyList<LocalKeyView>> s_keys = new("keys", PageJson.Default.IReadOnlyListLocalKeyView);

    private readonly ClientHost _host;
    private readonly AppDatabase _database;
    private readonly PageEvents _events;
    private readonly TimeProvider _time;
    private readonly CountedRequests _counted;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _loading = new(1, 1);
    private readonly Dictionary<string, LocalApp> _byHash = new(StringComparer.Ordinal);
    private readonly LocalApp _other = new([0], LocalAppKind.Other, "Other apps");
    private readonly LocalApp _page = new([1], LocalAppKind.Page, "This page");
    private bool _isLoaded;
    private Task _writing = Task.CompletedTask;

    public LocalKeys(ClientHost host, AppDatabase database, PageEvents events, TimeProvider time)
    {
        (_host, _database, _events, _time) = (host, database, events, time);
        _counted = new CountedRequests(time);
        ForPage = new PagePrompts(this);
        events.Contribute(DescribeAsync);
    }

    /// <summary>What the page asks with: counted as its own, and bounded by nothing.</summary>
    public IPromptSender ForPage { get; }

    /// <summary>A key of this run, for the commands, which learn it over the management socket.</summary>
    public string OwnKey { get; } = NewKey();

    private int Day => DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime).DayNumber;

    /// <summary>Lets in whoever may ask, by the key that comes with the request.</summary>
    public RequestDelegate Wrap(RequestDelegate next) => async context =>
    {
        try
        {
            context.Features.Set(await IdentifyAsync(context.Request.Headers, context.RequestAborted));
        }
        catch (LocalKeyException e)
        {
            await ApiErrors.WriteAsync(context, e.Fault);
            return;
        }
        catch (OperationCanceledException)
        {
            context.Abort();
            return;
        }
        await next(context);
    };

    /// <summary>Sends a prompt of a program: what it may cost at most is taken off its cap before, what it did not cost is given back.</summary>
    /// <exception cref="LocalKeyException">The cap does not allow it.</exception>
    public async Task<PromptReply> SendAsync(LocalApp app, PromptRequest prompt, CancellationToken cancellationToken)
    {
        await TryLoadAsync(cancellationToken);
        UInt128 tag = CountedRequests.TagOf(prompt);
        IReadOnlyList<PlanSummary> plans = await FindPlansAsync(prompt, cancellationToken);
        (long reserved, string? plan, bool onlyPending) = Reserve(app, plans, _counted.Contains(tag));
        string? taken = null;
        prompt = prompt with { TokenTaken = of => taken = of };
        PromptReply reply;
        try
        {
            reply = await _host.SendAsync(plan is null && !onlyPending ? prompt : prompt with { Plan = plan ?? prompt.Plan, OnlyPending = onlyPending }, cancellationToken);
        }
        catch (ClientException e) when (onlyPending && e.Error == ClientError.NothingPending)
        {
            throw CapReached(app);
        }
        catch (OperationCanceledException)
        {
            // The program hung up before its reply began. The token is with the request by then, as a rule, and a repetition that uses it again is counted no more; one that took
            // another is, however often it was asked before.
            if (_counted.Add(tag) || taken is not null)
            {
                Count(app, reserved, taken is not null ? PriceOf(plans, taken) : reserved > 0 ? reserved : CheapestOf(plans));
            }
            else
            {
                Release(app, reserved);
            }
            throw;
        }
        catch
        {
            Release(app, reserved);
            throw;
        }
        if (reply.Token == TokenOutcome.Spent && (_counted.Add(tag) || !reply.IsRepetition))
        {
            Count(app, reserved, PriceOf(plans, reply.Plan));
        }
        else
        {
            Release(app, reserved);
        }
        return reply;
    }

    public async Task<IReadOnlyList<LocalKeyView>> ListAsync(CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken);
        lock (_lock)
        {
            return View();
        }
    }

    /// <returns>The key, to be shown once.</returns>
    public async Task<NewLocalKey> CreateAsync(LocalKeyRequest request, CancellationToken cancellationToken)
    {
        Check(request);
        await LoadAsync(cancellationToken, mustBeThere: true);
        string key = NewKey();
        byte[] id = RandomNumberGenerator.GetBytes(16);
        byte[] hash = HashOf(key);
        await _database.WriteAsync(
            session =>
            {
                if (session.QueryInt64("SELECT COUNT(*) FROM local_key") >= MaxKeys)
                {
                    throw new PageException(PageProblem.Of(409, "too-many-keys", "There are too many keys.", $"At most {MaxKeys} can be made."));
                }
                return session.Execute("INSERT INTO local_key (id, key_hash, sealed) VALUES ($1, $2, $3)", id, hash, Seal(id, request));
            },
            cancellationToken);
        lock (_lock)
        {
            _byHash.Add(Convert.ToHexString(hash), new LocalApp(id, LocalAppKind.Key, request.Name.Trim()) { DailyCap = request.DailyCap });
        }
        Tell();
        return new NewLocalKey(Convert.ToHexStringLower(id), key);
    }

    public async Task ChangeAsync(string id, LocalKeyRequest request, CancellationToken cancellationToken)
    {
        Check(request);
        LocalApp app = await FindAsync(id, cancellationToken);
        await _database.WriteAsync(session => session.Execute("UPDATE local_key SET sealed = $2 WHERE id = $1", app.Id, Seal(app.Id, request)), cancellationToken);
        lock (_lock)
        {
            (app.Name, app.DailyCap) = (request.Name.Trim(), request.DailyCap);
        }
        Tell();
    }

    /// <summary>Takes a key back. What was spent with it goes on to be counted among the others'; that it was one is kept, so that it is refused.</summary>
    public async Task RevokeAsync(string id, CancellationToken cancellationToken)
    {
        LocalApp app = await FindAsync(id, cancellationToken);
        lock (_lock)
        {
            app.IsRevoked = true;
        }
        await _database.WriteAsync(
            session =>
            {
                session.Execute("UPDATE local_key SET sealed = NULL WHERE id = $1", app.Id);
                session.Execute(
                    """
                    INSERT INTO local_use (app, day, requests, credits) SELECT $2, day, requests, credits FROM local_use WHERE app = $1
                    ON CONFLICT (app, day) DO UPDATE SET requests = local_use.requests + excluded.requests, credits = local_use.credits + excluded.credits
                    """,
                    app.Id, _other.Id);
                return session.Execute("DELETE FROM local_use WHERE app = $1", app.Id);
            },
            cancellationToken);
        lock (_lock)
        {
            int day = Day;
            _other.SpentToday = (_other.Today == day ? _other.SpentToday : 0) + (app.Today == day ? app.SpentToday : 0);
            _other.Today = day;
            _other.SpentTotal += app.SpentTotal;
            _other.Requests += app.Requests;
            _other.LastUsed = _other.LastUsed is null ? app.LastUsed : Math.Max(_other.LastUsed.Value, app.LastUsed ?? 0);
        }
        await _database.ForgetDeletedAsync();
        Tell();
    }

    public async ValueTask DisposeAsync()
    {
        Task writing;
        lock (_lock)
        {
            writing = _writing;
        }
        await writing;
        _loading.Dispose();
    }

    /// <summary>A file that cannot be read leaves the rest of the page as it is; why is told with the chats, which are in the same one.</summary>
    private async Task<PageState> DescribeAsync(PageState state, CancellationToken cancellationToken)
    {
        try
        {
            return state with { Keys = await ListAsync(cancellationToken) };
        }
        catch (Exception e) when (e is PageException or StorageException)
        {
            return state;
        }
    }

    private static string NewKey() => Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(KeySizeInBytes));

    private static void Check(LocalKeyRequest request)
    {
        if (request.Name.Trim() is not { Length: > 0 and <= 100 } || request.DailyCap is < 0 or > 1L << 40)
        {
            throw new PageException(PageProblem.Malformed("A key has a name of 1 to 100 characters, and credits a day from 0 on, or none."));
        }
    }

    private static long PriceOf(IReadOnlyList<PlanSummary> plans, string plan) => plans.FirstOrDefault(candidate => candidate.Id == plan) is { Kind: "request" } paid ? paid.Price : 0;

    private static long CheapestOf(IReadOnlyList<PlanSummary> plans) => plans.Where(plan => plan.Kind == "request").Select(plan => plan.Price).DefaultIfEmpty(0).Min();

    private static string? KeyOf(IHeaderDictionary headers)
    {
        const string Bearer = "Bearer ";
        string authorization = headers.Authorization.ToString();
        string given = authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) ? authorization[Bearer.Length..].Trim() : headers["x-api-key"].ToString().Trim();
        return given.StartsWith(Prefix, StringComparison.Ordinal) && given.Length <= 128 ? given : null;
    }

    private async Task<LocalApp> IdentifyAsync(IHeaderDictionary headers, CancellationToken cancellationToken)
    {
        string? key = KeyOf(headers);
        if (key is not null && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(key), Encoding.ASCII.GetBytes(OwnKey)))
        {
            return _page;
        }
        bool isRequired = _host.Options.RequireLocalKeys;
        try
        {
            await LoadAsync(cancellationToken);
        }
        catch (Exception e) when (e is PageException or StorageException)
        {
            // Without it nobody's cap is known: who has none, as nearly all, goes on.
            return key is null && !isRequired ? _other : throw new LocalKeyException(new ApiFault(500, "server_error", "local_keys_unavailable", e.Message));
        }
        if (key is not null && _database.IsUnlocked)
        {
            lock (_lock)
            {
                if (_byHash.TryGetValue(Convert.ToHexString(HashOf(key)), out LocalApp? app))
                {
                    return !app.IsRevoked ? app : throw new LocalKeyException(new ApiFault(
                        401, "authentication_error", "local_key_revoked", $"This key was taken back. Make another at {_host.Page}/#/keys."));
                }
            }
        }
        return !isRequired ? _other : throw new LocalKeyException(new ApiFault(
            401, "authentication_error", "local_key_required", $"This app answers only programs with a key that was made for them. Make one at {_host.Page}/#/keys."));
    }

    /// <summary>The plans that may pay for a prompt.</summary>
    private async Task<IReadOnlyList<PlanSummary>> FindPlansAsync(PromptRequest prompt, CancellationToken cancellationToken)
    {
        if (_host.Mode != AppMode.Wallet)
        {
            return [];
        }
        string? model = CountedRequests.ModelOf(prompt.Body.Span);
        DirectorySummary? directory = await _host.LookAsync((client, token) => client.Directory.RecallAsync(token), cancellationToken)
            ?? await _host.UseAsync(async (client, token) => (DirectorySummary?)await client.Directory.GetAsync(token), cancellationToken);
        return [.. directory!.Plans.Where(plan => plan.Models.Contains(model) && (prompt.Plan is null || plan.Id == prompt.Plan))];
    }

    /// <summary>Takes what a prompt may cost at most off a program's cap. Where that is too much and a cheaper plan is not, that one has to pay.</summary>
    private (long Reserved, string? Plan, bool OnlyPending) Reserve(LocalApp app, IReadOnlyList<PlanSummary> plans, bool isRepetition)
    {
        lock (_lock)
        {
            if (app.DailyCap is null || plans.Count == 0)
            {
                return (0, null, false);
            }
            long left = app.LeftOn(Day);
            long most = plans.Max(plan => plan.Kind == "request" ? plan.Price : 0);
            if (most <= left)
            {
                app.Reserved += most;
                return (most, null, false);
            }
            if (plans.Where(plan => plan.Kind == "request" && plan.Price <= left).MaxBy(plan => plan.Price) is PlanSummary cheaper)
            {
                app.Reserved += cheaper.Price;
                return (cheaper.Price, cheaper.Id, false);
            }
            if (isRepetition)
            {
                // It was counted; its reply is fetched, and no further token is shown for it.
                return (0, null, true);
            }
            throw CapReached(app);
        }
    }

    private LocalKeyException CapReached(LocalApp app) => new(new ApiFault(
        429, "insufficient_quota", "daily_cap_reached",
        $"{app.Name} may spend {app.DailyCap} credits a day, and this request could cost more than is left of them. It may ask again tomorrow (UTC); the cap is changed at {_host.Page}/#/keys."));

    private void Release(LocalApp app, long reserved)
    {
        lock (_lock)
        {
            app.Reserved -= reserved;
        }
    }

    private void Count(LocalApp app, long reserved, long credits)
    {
        lock (_lock)
        {
            int day = Day;
            app.Reserved -= reserved;
            Counted(app).Count(day, credits);
            // In order, and without the reply waiting for it: a crash may cost the count of a moment. No file is made for a count alone.
            if (_isLoaded)
            {
                _writing = WriteAsync(_writing, app, day, credits);
            }
        }
        Tell();
    }

    /// <summary>Where use of a key is counted: once it was taken back, among the others'. To be called with the lock held.</summary>
    private LocalApp Counted(LocalApp app) => app.IsRevoked ? _other : app;

    /// <summary>As it is when the disk gets to it: a count that was waiting when its key was taken back would else come behind those that were moved, to a key that is no more.</summary>
    private byte[] CountedId(LocalApp app)
    {
        lock (_lock)
        {
            return Counted(app).Id;
        }
    }

    private async Task WriteAsync(Task before, LocalApp app, int day, long credits)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            await _database.WriteAsync(session => session.Execute(
                """
                INSERT INTO local_use (app, day, requests, credits) VALUES ($1, $2, 1, $3)
                ON CONFLICT (app, day) DO UPDATE SET requests = local_use.requests + 1, credits = local_use.credits + excluded.credits
                """,
                CountedId(app), day, credits));
        }
        catch (Exception e) when (e is StorageException or PageException or ObjectDisposedException)
        {
            // It is counted in memory, and the cap holds while the app runs.
        }
    }

    private async Task<LocalApp> FindAsync(string id, CancellationToken cancellationToken)
    {
        await LoadAsync(cancellationToken, mustBeThere: true);
        lock (_lock)
        {
            return _byHash.Values.FirstOrDefault(app => !app.IsRevoked && Convert.ToHexStringLower(app.Id) == id) ?? throw new PageException(PageProblem.Missing("key"));
        }
    }

    private async Task TryLoadAsync(CancellationToken cancellationToken)
    {
        try
        {
            await LoadAsync(cancellationToken);
        }
        catch (Exception e) when (e is PageException or StorageException)
        {
            // Whoever has a cap was not let in; the others are counted in memory.
        }
    }

    private async Task LoadAsync(CancellationToken cancellationToken, bool mustBeThere = false)
    {
        if (Volatile.Read(ref _isLoaded) || (!mustBeThere && (!_database.IsUnlocked || !_database.Exists)))
        {
            return;
        }
        await _loading.WaitAsync(cancellationToken);
        try
        {
            if (_isLoaded)
            {
                return;
            }
            var (keys, uses) = await _database.ReadAsync(
                session => (
                    session.Query("SELECT id, key_hash, sealed FROM local_key", row => (Id: row.Blob(0), Hash: row.Blob(1), Sealed: row.NullableBlob(2))),
                    session.Query("SELECT app, day, requests, credits FROM local_use ORDER BY day", row => (App: row.Blob(0), Day: (int)row.Int64(1), Requests: row.Int64(2), Credits: row.Int64(3)))),
                cancellationToken);
            lock (_lock)
            {
                Dictionary<string, LocalApp> byId = new(StringComparer.Ordinal) { [Convert.ToHexString(_other.Id)] = _other, [Convert.ToHexString(_page.Id)] = _page };
                foreach ((byte[] id, byte[] hash, byte[]? box) in keys)
                {
                    LocalKeyRequest? told = box is null ? null : JsonSerializer.Deserialize(_database.Open(box, "local_key"u8, id), PageJson.Default.LocalKeyRequest);
                    var app = new LocalApp(id, LocalAppKind.Key, told?.Name ?? "") { DailyCap = told?.DailyCap, IsRevoked = told is null };
                    _byHash[Convert.ToHexString(hash)] = byId[Convert.ToHexString(id)] = app;
                }
                foreach ((byte[] app, int day, long requests, long credits) in uses)
                {
                    if (byId.TryGetValue(Convert.ToHexString(app), out LocalApp? found))
                    {
                        found.SpentToday = found.Today == day ? found.SpentToday + credits : credits;
                        (found.Today, found.LastUsed) = (day, day);
                        found.SpentTotal += credits;
                        found.Requests += requests;
                    }
                }
                Volatile.Write(ref _isLoaded, true);
            }
        }
        finally
        {
            _loading.Release();
        }
    }

    private byte[] Seal(byte[] id, LocalKeyRequest request) =>
        _database.Seal(JsonSerializer.SerializeToUtf8Bytes(request with { Name = request.Name.Trim() }, PageJson.Default.LocalKeyRequest), "local_key"u8, id);

    private byte[] HashOf(string key) => _database.Hash(Encoding.ASCII.GetBytes("local key " + key));

    /// <summary>Those with a key by name, and the others if they ever asked.</summary>
    private IReadOnlyList<LocalKeyView> View()
    {
        int day = Day;
        return
        [
            .. _byHash.Values.Where(app => !app.IsRevoked).OrderBy(app => app.Name, StringComparer.CurrentCultureIgnoreCase).Select(app => app.View(day)),
            .. new[] { _other, _page }.Where(app => app.Requests > 0).Select(app => app.View(day)),
        ];
    }

    private void Tell()
    {
        if (_events.HasTabs)
        {
            IReadOnlyList<LocalKeyView> view;
            lock (_lock)
            {
                view = View();
            }
            _events.Publish(s_keys, view);
        }
    }

    private sealed class PagePrompts(LocalKeys keys) : IPromptSender
    {
        public Task<PromptReply> SendAsync(PromptRequest prompt, CancellationToken cancellationToken = default) => keys.SendAsync(keys._page, prompt, cancellationToken);

        public Task<ReadOnlyMemory<byte>> GetModelsAsync(CancellationToken cancellationToken = default) => keys._host.GetModelsAsync(cancellationToken);

        public Task ForgetEndedAsync() => keys._host.ForgetEndedAsync();
    }
}
