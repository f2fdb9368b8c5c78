using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>Why a request does not pass the allow-list: a stable code, a sentence for a person, and the member's path.</summary>
internal sealed record Refusal(string Code, string Message, string? Param)
{
    /// <summary>The longest member name that an error repeats, in characters: a name is the sender's text and unbounded.</summary>
    private const int LongestName = 64;

    public static Refusal Json(string message, string? param = null) => new(ErrorCodes.InvalidJson, message, param);

    public static Refusal Value(string message, string? param = null) => new(ErrorCodes.InvalidValue, message, param);

    public static Refusal Unknown(ReadOnlySpan<byte> name) =>
        new(ErrorCodes.UnknownMember, "This member is not one that an anonymous request may carry. Leave it out.", Printable(name));

    public static Refusal Stateful(string? param, string message) => new(ErrorCodes.StatefulMemberRefused, message, param);

    public static Refusal Stateful(string param) =>
        Stateful(param, "This member would make the provider keep or fetch state, which could link requests to each other. Leave it out.");

    public ApiError ToError() => ApiError.Create(Code, Message, Param);

    /// <summary>The same refusal, seen from the member or element around it.</summary>
    public Refusal Under(string member) => this with
    {
        Param = Param is null ? member : Param.StartsWith('[') ? member + Param : $"{member}.{Param}",
    };

    public Refusal Under(int index) => this with
    {
        Param = Param is null ? $"[{index}]" : Param.StartsWith('[') ? $"[{index}]{Param}" : $"[{index}].{Param}",
    };

    private static string Printable(ReadOnlySpan<byte> name) => string.Create(Math.Min(name.Length, LongestName), name, static (text, bytes) =>
    {
        // ASCII only, and no bracket at the start: the path's own syntax stays readable whatever the name holds.
        for (int i = 0; i < text.Length; i++)
        {
            text[i] = bytes[i] is > 0x20 and < 0x7f and not ((byte)'[') and not ((byte)']') ? (char)bytes[i] : '?';
        }
    });
}
