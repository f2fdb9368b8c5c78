namespace Tacit.Client;

/// <summary>The gateway's list of models, remembered for a while: SDKs ask often, and each call tells the gateway that somebody is there. Thread safe.</summary>
internal sealed class ModelList(TimeProvider time)
{
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    private byte[]? _json;
    private long _at;

    public bool TryGet(bool evenIfOld, out byte[] json)
    {
        lock (this)
        {
            json = _json ?? [];
            return _json is not null && (evenIfOld || time.GetElapsedTime(_at) < Lifetime);
        }
    }

    public void Set(byte[] json)
    {
        lock (this)
        {
            (_json, _at) = (json, time.GetTimestamp());
        }
    }
}
