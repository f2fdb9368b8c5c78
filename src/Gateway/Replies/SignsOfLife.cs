namespace Tacit.Gateway.Replies;

/// <summary>
/// A connection that dies without a word, as they do behind Tor and relays, looks like a model that thinks. So an event stream that is silent gets a comment every
/// so often; a client that hears none for some of them takes the reply up on another connection.
/// </summary>
internal sealed class SignsOfLife(TimeSpan interval, TimeProvider time)
{
    /// <summary>A comment and the empty line behind it: no event (WHATWG HTML, section 9.2.6).</summary>
    public static ReadOnlySpan<byte> Comment => ":\n\n"u8;

    /// <summary>One timer for a connection, whatever it sends: an event has nothing to set back.</summary>
    public ITimer Every(ReplyReader reader) => time.CreateTimer(static state => ((ReplyReader)state!).Remind(), reader, interval, interval);
}
