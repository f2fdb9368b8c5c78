using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>
/// What work a gateway asks for now, as <c>{"challenge","bits","until"}</c>: the challenge in base64url, how many zero bits, and the UNIX second until which a stamp
/// for this challenge is taken. No bits: none is asked for.
/// </summary>
public sealed record WorkAnnouncement(ReadOnlyMemory<byte> Challenge, int Bits, long Until)
{
    /// <summary>The member, in errors and in <c>GET /api/pubkey</c>.</summary>
    public const string MemberName = "work";

    /// <summary>Writes the object; the caller has written the member's name.</summary>
    public void WriteTo(Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        json.WriteStartObject();
        json.WriteString("challenge"u8, Base64Url.EncodeToString(Challenge.Span));
        json.WriteNumber("bits"u8, Bits);
        json.WriteNumber("until"u8, Until);
        json.WriteEndObject();
    }

    public static bool TryRead(JsonElement element, [NotNullWhen(true)] out WorkAnnouncement? work)
    {
        work = null;
        if (element.ValueKind != JsonValueKind.Object
            || !element.TryGetProperty("challenge", out JsonElement challenge) || challenge.ValueKind != JsonValueKind.String
            || !Base64UrlText.TryDecode(challenge.GetString(), WorkStamp.ChallengeSizeInBytes, out byte[]? bytes) || bytes.Length != WorkStamp.ChallengeSizeInBytes
            || !element.TryGetProperty("bits", out JsonElement bits) || bits.ValueKind != JsonValueKind.Number || !bits.TryGetInt32(out int count) || count is < 0 or > 64
            || !element.TryGetProperty("until", out JsonElement until) || until.ValueKind != JsonValueKind.Number || !until.TryGetInt64(out long second))
        {
            return false;
        }

        work = new WorkAnnouncement(bytes, count, second);
        return true;
    }

    /// <summary>From the body of a <c>work_required</c> error.</summary>
    public static bool TryReadError(ReadOnlyMemory<byte> body, [NotNullWhen(true)] out WorkAnnouncement? work)
    {
        work = null;
        try
        {
            using JsonDocument json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("error"u8, out JsonElement error) && error.ValueKind == JsonValueKind.Object
                && error.TryGetProperty(MemberName, out JsonElement member) && TryRead(member, out work);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
