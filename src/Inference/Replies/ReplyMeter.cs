namespace Tacit.Inference;

/// <summary>
/// Finds in a reply what it says it cost (<c>usage</c>), for a key that has a budget; nothing looks where none has. A provider that says nothing is estimated:
/// four bytes a token, one token an event.
/// </summary>
internal sealed class ReplyMeter
{
    private readonly KeyUsage _usage;
    private readonly (long Input, long Output) _price;
    private readonly int _requestBytes;
    private readonly UsageReader _reader = new();
    private bool _finished;

    public ReplyMeter(KeyUsage usage, (long Input, long Output) price, int requestBytes)
    {
        _usage = usage;
        _price = price;
        _requestBytes = requestBytes;
        usage.Add(1, 0, 0);
    }

    /// <summary>A whole reply.</summary>
    public void SeeJson(ReadOnlySpan<byte> json) => _reader.See(json, isEventStream: false);

    /// <summary>Whole events.</summary>
    public void SeeEvents(ReadOnlySpan<byte> events) => _reader.See(events, isEventStream: true);

    /// <summary>Counts; once.</summary>
    public void Finish()
    {
        if (_finished)
        {
            return;
        }

        _finished = true;
        long input = _reader.InputTokens ?? ((_requestBytes + 3) / 4);
        long output = _reader.OutputTokens;
        _usage.Add(0, checked(input + output), checked((input * _price.Input) + (output * _price.Output)));
    }
}
