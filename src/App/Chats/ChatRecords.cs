using System.Security.Cryptography;
using System.Text.Json.Serialization;

namespace Tacit.App;

/// <summary>A conversation without its messages, as it is kept: sealed, but for the id.</summary>
/// <param name="IsNamed">Whether the user gave the title.</param>
/// <param name="Leaf">The last message of the branch that is shown.</param>
internal sealed record ChatHeader(
    string Id, string Title, bool IsNamed, DateTimeOffset Created, DateTimeOffset Updated, string? Model = null, string? Plan = null, string? System = null, string? Leaf = null);

/// <summary>A message as it is kept: sealed, but for the id and its conversation's.</summary>
internal sealed record ChatMessage(string Id, string? Parent, MessageRole Role, string Text, DateTimeOffset Created, MessageState State)
{
    public string? Reasoning { get; init; }

    public IReadOnlyList<ChatAttachment> Attachments { get; init; } = [];

    public string? Model { get; init; }

    /// <summary>Before the reply began, the plan that was asked for; then the one that paid.</summary>
    public string? Plan { get; init; }

    /// <summary>
    /// While it is generated: the system prompt that it was asked with, empty for none. The conversation's may be changed meanwhile, and after a restart only the very request
    /// that was sent finds its reply. Null in what an earlier version kept.
    /// </summary>
    public string? System { get; init; }

    public MessageError? Error { get; init; }

    public IReadOnlyList<string> Notices { get; init; } = [];

    public MessageUsage? Usage { get; init; }

    /// <summary>What became of the request that brought it; while it is under way, what is known of it up to now.</summary>
    public RequestTrace? Trace { get; init; }

    /// <summary>The same of requests before it, with which the app ended while they were under way.</summary>
    public IReadOnlyList<RequestTrace> EarlierTraces { get; init; } = [];

    /// <summary>All of them, in the order they began.</summary>
    [JsonIgnore]
    public IEnumerable<RequestTrace> Traces => Trace is null ? EarlierTraces : EarlierTraces.Append(Trace);

    public MessageView ToView() => new(
        Id, Parent, Role, Text, Reasoning, [.. Attachments.Select(file => new AttachmentView(file.Id, file.Name, file.MediaType, file.Size))], Model, Plan, Created, State, Error,
        Notices, Usage);
}

/// <summary>What is known of an attachment; its content is kept apart.</summary>
/// <param name="Size">Of the content in bytes.</param>
/// <param name="IsImage">Whether the content is an image; it is UTF-8 text otherwise.</param>
internal sealed record ChatAttachment(string Id, string Name, string MediaType, long Size, bool IsImage);

/// <summary>An attachment's content.</summary>
internal sealed record AttachmentContent(string Id, string Message, byte[] Content);

/// <summary>What is written together or not at all.</summary>
internal sealed record ChatChange(ChatHeader? Header, IReadOnlyList<ChatMessage> Messages)
{
    /// <summary>Only where messages are added without a change of the conversation.</summary>
    public required string Conversation { get; init; }

    public IReadOnlyList<AttachmentContent> Attachments { get; init; } = [];

    public static ChatChange Of(ChatHeader header, params IReadOnlyList<ChatMessage> messages) => new(header, messages) { Conversation = header.Id };
}

/// <summary>Ids of conversations, messages and attachments: 16 random bytes in hexadecimal.</summary>
internal static class ChatId
{
    private const int SizeInBytes = 16;

    public static string Create() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SizeInBytes));

    public static byte[] Bytes(string id) => Convert.FromHexString(id);

    public static bool IsValid(string? id) => id?.Length == 2 * SizeInBytes && id.All(char.IsAsciiHexDigitLower);
}

/// <summary>The form of what is sealed on disk.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ChatHeader))]
[JsonSerializable(typeof(ChatMessage))]
[JsonSerializable(typeof(List<SavedPrompt>))]
internal sealed partial class ChatJson : JsonSerializerContext;
