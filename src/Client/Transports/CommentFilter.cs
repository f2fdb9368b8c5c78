namespace Tacit.Client.Transports;

/// <summary>
/// Takes the comments out of an event stream. A gateway passes none on; those that are there say that the connection lives, or pad chunks, and are others each
/// time the same reply is sent.
/// </summary>
internal sealed class CommentFilter
{
    private bool _isAtStart = true;
    private bool _inComment;
    private bool _afterLineFeed;

    /// <summary>Moves what is no comment to the front of <paramref name="bytes"/>, the next ones of the stream.</summary>
    /// <returns>How many are left.</returns>
    public int Cut(Span<byte> bytes)
    {
        int kept = 0;
        foreach (byte next in bytes)
        {
            if (_isAtStart)
            {
                _inComment = next == (byte)':';
                _afterLineFeed = false;
            }

            // An event, and so a comment of ours, ends with an empty line.
            _isAtStart = next == (byte)'\n' && _afterLineFeed;
            _afterLineFeed = next == (byte)'\n';
            if (!_inComment)
            {
                bytes[kept++] = next;
            }
        }

        return kept;
    }
}
