namespace Tacit.Cli.Wallets;

/// <summary>Reads what others send up to a bound; beyond it, it is an error and not more memory.</summary>
/// <param name="most">In bytes.</param>
internal sealed class CappedStream(Stream from, long most) : ReadOnlyStream
{
    private long _read;

    /// <exception cref="CommandException">More came than is taken.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await from.ReadAsync(buffer, cancellationToken);
        _read += read;
        return _read <= most ? read : throw new CommandException($"The reply does not end: more than {most >> 20} MiB came. The rest was left.");
    }

    public override async ValueTask DisposeAsync()
    {
        await from.DisposeAsync();
        await base.DisposeAsync();
    }
}
