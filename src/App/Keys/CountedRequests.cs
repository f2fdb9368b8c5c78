using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Client;

namespace Tacit.App.Keys;

/// <summary>
/// Which requests were counted lately: an SDK's repetition reuses its token, and is not counted again. In memory only, for longer than the gateway keeps a reply. Thread safe.
/// </summary>
internal sealed class CountedRequests(TimeProvider time)
{
    private const int MaxRequests = 16 * 1024;
    private static readonly TimeSpan s_kept = TimeSpan.FromMinutes(30);

    private readonly Dictionary<UInt128, long> _counted = [];
    private readonly Queue<(UInt128 Tag, long At)> _order = new();

    /// <summary>By what a request is known again: what the wallet knows it by, too.</summary>
    public static UInt128 TagOf(PromptRequest prompt)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([(byte)prompt.Operation]);
        hash.AppendData(Encoding.UTF8.GetBytes(prompt.Conversation + "\n"));
        hash.AppendData(prompt.Body.Span);
        return BinaryPrimitives.ReadUInt128LittleEndian(hash.GetHashAndReset());
    }

    /// <summary>The model that a body names; null if it is no such body.</summary>
    public static string? ModelOf(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return null;
            }
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isModel = reader.ValueTextEquals("model"u8);
                reader.Read();
                if (isModel)
                {
                    return reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
                }
                reader.Skip();
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The wallet says what is wrong with it.
        }
        return null;
    }

    public bool Contains(UInt128 tag)
    {
        lock (_counted)
        {
            Forget();
            return _counted.ContainsKey(tag);
        }
    }

    /// <returns>False if it was counted before.</returns>
    public bool Add(UInt128 tag)
    {
        lock (_counted)
        {
            Forget();
            long now = time.GetTimestamp();
            bool isNew = !_counted.ContainsKey(tag);
            _counted[tag] = now;
            _order.Enqueue((tag, now));
            return isNew;
        }
    }

    private void Forget()
    {
        while (_order.TryPeek(out (UInt128 Tag, long At) oldest) && (_order.Count > MaxRequests || time.GetElapsedTime(oldest.At) > s_kept))
        {
            _order.Dequeue();
            if (_counted.TryGetValue(oldest.Tag, out long at) && at == oldest.At)
            {
                _counted.Remove(oldest.Tag);
            }
        }
    }
}
