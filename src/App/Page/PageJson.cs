using System.Text.Json.Serialization;

namespace Tacit.App;

/// <summary>The wire between the page and the app: camelCase, nothing where a value is null, enums by name, strict about doubles and about what is missing.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
// Page
[JsonSerializable(typeof(PageProblem))]
[JsonSerializable(typeof(PageState))]
// Chats
[JsonSerializable(typeof(ConversationList))]
[JsonSerializable(typeof(ConversationSummary))]
[JsonSerializable(typeof(ConversationView))]
[JsonSerializable(typeof(NewConversation))]
[JsonSerializable(typeof(ConversationChange))]
[JsonSerializable(typeof(NewMessage))]
[JsonSerializable(typeof(NewMessageResult))]
[JsonSerializable(typeof(RetryMessage))]
[JsonSerializable(typeof(RetryResult))]
[JsonSerializable(typeof(MessageEvent))]
[JsonSerializable(typeof(MessageDeletedEvent))]
[JsonSerializable(typeof(ConversationDeletedEvent))]
[JsonSerializable(typeof(DeltaEvent))]
[JsonSerializable(typeof(ChatFile))]
[JsonSerializable(typeof(FiledConversation))]
[JsonSerializable(typeof(ImportResult))]
[JsonSerializable(typeof(IReadOnlyList<SavedPrompt>))]
// Privacy
[JsonSerializable(typeof(StageEvent))]
[JsonSerializable(typeof(PrivacyView))]
[JsonSerializable(typeof(WaysView))]
// Models
[JsonSerializable(typeof(ModelsView))]
internal sealed partial class PageJson : JsonSerializerContext;
