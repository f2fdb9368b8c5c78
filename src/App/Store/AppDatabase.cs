using System.Security.Cryptography;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>
/// What the app keeps beside the wallet, in <c>app.db</c> in the data folder: made when something is first kept, its secret columns sealed under a key of the
/// wallet's. Deleted rows are overwritten, and so are the pages they leave. Thread safe.
/// </summary>
internal sealed class AppDatabase(string dataDirectory, TimeProvider time) : IAsyncDisposable
{
    public const string FileName = "app.db";

    /// <summary>What the key is derived for (<see cref="Wallet.DeriveLocalKey"/>).</summary>
    public const string KeyPurpose = "app.db";

    private readonly string _path = Path.Combine(dataDirectory, FileName);
    private readonly SemaphoreSlim _opening = new(1, 1);
    private Database? _database;
    private LocalKey? _key;

    /// <summary>Whether there is a key: a wallet or a device, not an app that is still to be set up.</summary>
    public bool IsUnlocked => Volatile.Read(ref _key) is not null;

    /// <summary>Whether there is anything on disk.</summary>
    public bool Exists => Volatile.Read(ref _database) is not null || File.Exists(_path);

    /// <summary>Gives the key, once; it is the database's from then on.</summary>
    public void Unlock(LocalKey key)
    {
        if (Interlocked.CompareExchange(ref _key, key, null) is not null)
        {
            throw new InvalidOperationException("The database has its key already.");
        }
    }

    /// <inheritdoc cref="Database.ReadAsync"/>
    /// <exception cref="PageException">There is no key yet, or the file was made with another.</exception>
    public async Task<T> ReadAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default) =>
        await (await OpenAsync(cancellationToken)).ReadAsync(work, cancellationToken);

    /// <inheritdoc cref="Database.WriteAsync{T}"/>
    /// <exception cref="PageException">There is no key yet, or the file was made with another.</exception>
    public async Task<T> WriteAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default) =>
        await (await OpenAsync(cancellationToken)).WriteAsync(work, cancellationToken);

    /// <inheritdoc cref="WriteAsync{T}"/>
    public async Task WriteAsync(Action<Session> work, CancellationToken cancellationToken = default) =>
        await (await OpenAsync(cancellationToken)).WriteAsync(work, cancellationToken);

    /// <summary>Empties the write-ahead log: what was deleted before is then nowhere in the files.</summary>
    public async Task ForgetDeletedAsync() => await (await OpenAsync(CancellationToken.None)).FoldLogAsync();

    /// <summary>Seals a value for its place.</summary>
    /// <param name="table">Table and column.</param>
    /// <param name="row">The row's id: a value that is moved to another row does not open.</param>
    public byte[] Seal(ReadOnlySpan<byte> value, ReadOnlySpan<byte> table, ReadOnlySpan<byte> row) => Key.Seal(value, [.. table, 0, .. row]);

    /// <summary>Opens what <see cref="Seal"/> gave. The caller wipes it where it matters.</summary>
    /// <exception cref="PageException">The row was damaged or altered.</exception>
    public byte[] Open(ReadOnlySpan<byte> box, ReadOnlySpan<byte> table, ReadOnlySpan<byte> row) => Key.TryOpen(box, [.. table, 0, .. row])
        ?? throw new PageException(PageProblem.Of(500, "store-damaged", "What the app keeps was damaged or altered.", $"An entry of {_path} does not open. Put back a copy of it, or move it away."));

    /// <summary>A keyed name under which a secret is found again (<see cref="LocalKey.Hash"/>).</summary>
    public byte[] Hash(ReadOnlySpan<byte> value) => Key.Hash(value);

    public async ValueTask DisposeAsync()
    {
        await _opening.WaitAsync();
        try
        {
            if (_database is not null)
            {
                await _database.DisposeAsync();
            }
            Interlocked.Exchange(ref _key, null)?.Dispose();
        }
        finally
        {
            _opening.Release();
        }
    }

    private LocalKey Key => Volatile.Read(ref _key)
        ?? throw new PageException(PageProblem.Of(409, "not-set-up", "There is no wallet yet.", "Set the app up first: what it keeps is encrypted under the wallet's key."));

    private async ValueTask<Database> OpenAsync(CancellationToken cancellationToken)
    {
        LocalKey key = Key;
        if (Volatile.Read(ref _database) is Database open)
        {
            return open;
        }
        await _opening.WaitAsync(cancellationToken);
        try
        {
            return _database ??= await OpenAsync(key, cancellationToken);
        }
        finally
        {
            _opening.Release();
        }
    }

    private async Task<Database> OpenAsync(LocalKey key, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_key is null, this);
        Database database = await Database.OpenSqliteAsync(_path, AppSchema.Migrations, time, eraseFreedPages: true, cancellationToken);
        try
        {
            byte[] check = await database.WriteAsync(
                session =>
                {
                    session.Execute("INSERT INTO store (id, key_check) VALUES (1, $1) ON CONFLICT DO NOTHING", key.Check);
                    return session.QuerySingle("SELECT key_check FROM store WHERE id = 1", row => row.Blob(0))!;
                },
                cancellationToken);
            return CryptographicOperations.FixedTimeEquals(check, key.Check)
                ? database
                : throw new PageException(PageProblem.Of(
                    409, "store-foreign", "What the app keeps belongs to another wallet.", $"{_path} was made with another wallet's seed. Put that wallet back, or move the file away."));
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }
}
