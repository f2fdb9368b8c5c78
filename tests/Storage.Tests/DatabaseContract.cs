namespace Tacit.Storage;

/// <summary>What every database must do, whatever it is. One subclass per dialect.</summary>
public abstract class DatabaseContract : IAsyncLifetime
{
    private static readonly Migration[] s_schema =
    [
        new(1, "things", "CREATE TABLE thing (id {blob} PRIMARY KEY, amount {int} NOT NULL CHECK (amount >= 0), note {text}) {without_rowid}"),
        new(2, "lines", "CREATE TABLE line (id {identity}, thing {blob} NOT NULL REFERENCES thing (id)) {strict}; CREATE INDEX line_thing ON line (thing)"),
    ];

    private Database? _database;

    private protected Database Database => _database!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _database = await OpenAsync(s_schema);

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        await CleanUpAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Values_of_every_type_come_back_as_they_went_in()
    {
        byte[] id = [0, 1, 255];
        await Database.WriteAsync(s => s.Execute("INSERT INTO thing (id, amount, note) VALUES ($1, $2, $3)", id, long.MaxValue, "ä\0€ 😀"), Token);
        await Database.WriteAsync(s => s.Execute("INSERT INTO thing (id, amount, note) VALUES ($1, $2, $3)", Array.Empty<byte>(), 0, ""), Token);
        await Database.WriteAsync(s => s.Execute("INSERT INTO thing (id, amount, note) VALUES ($1, $2, $3)", new byte[9].AsMemory(3, 2), true, SqlValue.Null), Token);

        IReadOnlyList<(byte[] Id, long Amount, string? Note)> rows = await Database.ReadAsync(
            s => s.Query("SELECT id, amount, note FROM thing ORDER BY id", row => (row.Blob(0), row.Int64(1), row.NullableText(2))), Token);

        Assert.Equal([], rows[0].Id);
        Assert.Equal("", rows[0].Note);
        Assert.Equal([0, 0], rows[1].Id);
        Assert.Equal(1, rows[1].Amount);
        Assert.Null(rows[1].Note);
        Assert.Equal(id, rows[2].Id);
        Assert.Equal(long.MaxValue, rows[2].Amount);
        Assert.Equal("ä\0€ 😀", rows[2].Note);
    }

    [Fact]
    public async Task Arguments_out_of_order_and_used_twice_go_where_their_number_says()
    {
        (long A, long B, long C) row = await Database.ReadAsync(
            s => s.QuerySingle("SELECT $2 + 0, $1 + 0, $2 + 0", r => (r.Int64(0), r.Int64(1), r.Int64(2)), 1, 2), Token);
        Assert.Equal((2, 1, 2), row);
    }

    private protected abstract Task<Database> OpenAsync(IReadOnlyList<Migration> migrations);

    private protected abstract ValueTask CleanUpAsync();
}
