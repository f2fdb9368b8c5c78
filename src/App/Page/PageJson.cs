using System.Text.Json;
using System.Text.Json.Serialization;
using Tacit.App.Keys;
using Tacit.App.Wallets;
using Tacit.Client;

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
// Wallet, set-up, settings
[JsonSerializable(typeof(JsonElement))]
[JsonSerializable(typeof(WalletView))]
[JsonSerializable(typeof(CarrierView))]
[JsonSerializable(typeof(CircuitsView))]
[JsonSerializable(typeof(IReadOnlyList<NoticeView>))]
[JsonSerializable(typeof(HistoryView))]
[JsonSerializable(typeof(CreditPrices))]
[JsonSerializable(typeof(BalanceView))]
[JsonSerializable(typeof(DepositCommand))]
[JsonSerializable(typeof(DepositResult))]
[JsonSerializable(typeof(CheckoutCommand))]
[JsonSerializable(typeof(CheckoutPage))]
[JsonSerializable(typeof(RefillRequest))]
[JsonSerializable(typeof(FillResult))]
[JsonSerializable(typeof(SubscribeRequest))]
[JsonSerializable(typeof(SubscribeResult))]
[JsonSerializable(typeof(PlanCommand))]
[JsonSerializable(typeof(UnsubscribeResult))]
[JsonSerializable(typeof(RestoreResult))]
[JsonSerializable(typeof(AuditRequest))]
[JsonSerializable(typeof(DirectoryAudit))]
[JsonSerializable(typeof(RevealRequest))]
[JsonSerializable(typeof(SecretView))]
[JsonSerializable(typeof(BackupCommand))]
[JsonSerializable(typeof(NewIdentityResult))]
[JsonSerializable(typeof(SettingsView))]
[JsonSerializable(typeof(SetupTry))]
[JsonSerializable(typeof(SetupTrial))]
[JsonSerializable(typeof(SetupRequest))]
[JsonSerializable(typeof(SetupResult))]
// Local keys
[JsonSerializable(typeof(IReadOnlyList<LocalKeyView>))]
[JsonSerializable(typeof(LocalKeyRequest))]
[JsonSerializable(typeof(NewLocalKey))]
// Privacy
[JsonSerializable(typeof(StageEvent))]
[JsonSerializable(typeof(PrivacyView))]
[JsonSerializable(typeof(WaysView))]
// Models
[JsonSerializable(typeof(ModelsView))]
internal sealed partial class PageJson : JsonSerializerContext;
