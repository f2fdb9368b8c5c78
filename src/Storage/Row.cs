#pragma warning disable CA1720 // The column's type is what these names have to say, as in DbDataReader.
namespace Tacit.Storage;

/// <summary>
/// The row a statement stands on, valid only inside the function it was handed to. Columns count from 0. Reading a column as another type than it holds is
/// a <see cref="StorageErrorKind.Statement"/> error, NULL included: ask <see cref="IsNull"/> first.
/// </summary>
public readonly struct Row
{
    private readonly Cursor _cursor;

    internal Row(Cursor cursor)
    {
        _cursor = cursor;
    }

    public bool IsNull(int column) => _cursor.IsNull(column);

    public long Int64(int column) => _cursor.Int64(column);

    /// <summary>A 32-bit integer; throws <see cref="OverflowException"/> if the column's value does not fit.</summary>
    public int Int32(int column) => checked((int)_cursor.Int64(column));

    public bool Boolean(int column) => _cursor.Int64(column) != 0;

    public string Text(int column) => _cursor.Text(column);

    public byte[] Blob(int column) => _cursor.Bytes(column).ToArray();

    /// <summary>The column's bytes without a copy, gone when the function that got the row returns.</summary>
    public ReadOnlySpan<byte> BlobSpan(int column) => _cursor.Bytes(column);

    public long? NullableInt64(int column) => IsNull(column) ? null : Int64(column);

    public string? NullableText(int column) => IsNull(column) ? null : Text(column);

    public byte[]? NullableBlob(int column) => IsNull(column) ? null : Blob(column);
}

/// <summary>A running statement. What a database has to offer for <see cref="Session"/> to read its rows.</summary>
internal abstract class Cursor
{
    /// <summary>Steps to the next row; false after the last, when the statement has had its whole effect.</summary>
    internal abstract bool Next();

    /// <summary>Rows the finished statement inserted, updated or deleted.</summary>
    internal abstract int RowsAffected { get; }

    /// <summary>Ends the statement, finished or not.</summary>
    internal abstract void Close();

    internal abstract bool IsNull(int column);

    internal abstract long Int64(int column);

    internal abstract string Text(int column);

    internal abstract ReadOnlySpan<byte> Bytes(int column);
}
