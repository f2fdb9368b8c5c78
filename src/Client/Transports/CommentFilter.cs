namespace Tacit.Client.Transports;

/// <summary>
/// Takes the comments out of an event stream, and the empty lines behind them. A gateway passes none on; those that are there say that the connection lives, or
/// pad chunks, and are others each time the same reply is sent.
/// </summary>
/// <remarks>
/// A line ends in CR, LF or both (WHATWG HTML, section 9.2.5): events have the line ends that their provider gave them, comments those of the gateway.
/// </remarks>
internal sealed class CommentFilter
{
    private bool _isLineStart = true;
    private bool _afterCarriageReturn;

    /// <summary>Whether the event that is coming in has a line that was kept; the empty line that ends it is then kept, too.</summary>
    private bool _inEvent;

    /// <summary>Whether the line that is coming in is taken out, its end included.</summary>
    private bool _isCut;

    /// <summary>Moves what is no comment to the front of <paramref name="bytes"/>, the next ones of the stream.</summary>
    /// <returns>How many are left.</returns>
    public int Cut(Span<byte> bytes)
    {
        int kept = 0;
        foreach (byte next in bytes)
        {
            bool isEnd = next is (byte)'\n' or (byte)'\r';

            // The second half of a line end goes the way of the first.
            bool isSecondHalf = next == (byte)'\n' && _afterCarriageReturn;
            if (_isLineStart && !isSecondHalf)
            {
                _isCut = next == (byte)':' || (isEnd && !_inEvent);
                _inEvent = !isEnd && (_inEvent || !_isCut);
            }

            _isLineStart = isEnd;
            _afterCarriageReturn = next == (byte)'\r';
            if (!_isCut)
            {
                bytes[kept++] = next;
            }
        }

        return kept;
    }
}
