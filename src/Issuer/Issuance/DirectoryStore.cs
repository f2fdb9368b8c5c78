using Tacit.Storage;

namespace Tacit.Issuer.Issuance;

/// <summary>A directory as it was published.</summary>
internal sealed record StoredDirectory(long Sequence, byte[] ContentHash, byte[] Body);

/// <summary>Every directory ever published, so that the chain can be audited and no number is used twice.</summary>
internal sealed class DirectoryStore
{
    private readonly Database _database;

    public DirectoryStore(Database database)
    {
        _database = database;
    }

    /// <summary>Whether other issuers may publish there, too.</summary>
    public bool IsShared => _database.IsShared;

    /// <summary>The number of the last directory; 0 before the first.</summary>
    public Task<long> LoadLastSequenceAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(static session => session.QueryInt64("SELECT MAX(sequence) FROM directory") ?? 0, cancellationToken);

    public Task<StoredDirectory?> LoadLastAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            static session => session.QuerySingle(
                "SELECT sequence, content_hash, body FROM directory ORDER BY sequence DESC LIMIT 1",
                static row => new StoredDirectory(row.Int64(0), row.Blob(1), row.Blob(2))),
            cancellationToken);

    public Task<byte[]?> LoadBodyAsync(long sequence, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.QuerySingle("SELECT body FROM directory WHERE sequence = $1", static row => row.Blob(0), sequence), cancellationToken);

    /// <summary>Keeps a directory before anyone sees it; false if its number is taken, by another issuer.</summary>
    public Task<bool> TryAddAsync(StoredDirectory directory) =>
        _database.WriteAsync(session => session.Execute(
            "INSERT INTO directory (sequence, content_hash, body) VALUES ($1, $2, $3) ON CONFLICT (sequence) DO NOTHING",
            directory.Sequence, directory.ContentHash, directory.Body) == 1);
}
