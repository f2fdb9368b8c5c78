using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tacit.App;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Evidence;
using Tacit.Client.Transports;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Protocol;
using Tacit.Relay;
using Tacit.Signer;

namespace Tacit.Cli.Settings;

/// <summary>The settings of the roles as they are written in files and in the environment.</summary>
[JsonSourceGenerationOptions(
    Converters =
    [
        typeof(CreditsForm), typeof(PlanKindForm), typeof(PeriodKindForm), typeof(TokenTypeForm), typeof(ModerationFailureForm), typeof(OutgrownPlanForm), typeof(TransportForm),
        typeof(PseudonymPolicyForm), typeof(ProfileForm), typeof(AdmissionModeForm), typeof(DeviceRegistrationForm), typeof(SealingSignatoryForm), typeof(EvidencePolicyForm),
        typeof(BackendKindForm), typeof(HealthKindForm), typeof(PageThemeForm), typeof(OtherUsersForm),
    ],
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SignerOptions))]
[JsonSerializable(typeof(RelayOptions))]
[JsonSerializable(typeof(IssuerOptions))]
[JsonSerializable(typeof(GatewayOptions))]
[JsonSerializable(typeof(AppOptions))]
[JsonSerializable(typeof(TorSettings))]
[JsonSerializable(typeof(PseudonymOffer))]
[JsonSerializable(typeof(Issuer.Gateways.IssuerGateway))]
[JsonSerializable(typeof(Issuer.Issuance.OpenIssuanceOptions))]
[JsonSerializable(typeof(Gateway.Demonstration.DemonstrationOptions))]
[JsonSerializable(typeof(Gateway.Pseudonyms.PseudonymLimits))]
[JsonSerializable(typeof(DeviceOptions))]
[JsonSerializable(typeof(AddressOptions))]
[JsonSerializable(typeof(SamplingRules))]
[JsonSerializable(typeof(NumberRule))]
[JsonSerializable(typeof(Gateway.Work.WorkOptions))]
[JsonSerializable(typeof(SignerLink))]
[JsonSerializable(typeof(TlsOptions))]
[JsonSerializable(typeof(Hosting.Onion.OnionOptions))]
[JsonSerializable(typeof(Tor.TorOptions))]
[JsonSerializable(typeof(Hosting.Metrics.MetricsOptions))]
[JsonSerializable(typeof(KeyBudget))]
[JsonSerializable(typeof(TokenPrice))]
[JsonSerializable(typeof(DatabaseOptions))]
[JsonSerializable(typeof(InferenceSettings))]
internal sealed partial class SettingsJson : JsonSerializerContext;

/// <summary>Credits as a plain number.</summary>
internal sealed class CreditsForm : JsonConverter<Credits>
{
    public override Credits Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType switch
        {
            JsonTokenType.Number when reader.TryGetInt64(out long number) => new Credits(number),
            JsonTokenType.String when long.TryParse(reader.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out long number) => new Credits(number),
            _ => throw new JsonException("A price is a whole number of credits."),
        };

    public override void Write(Utf8JsonWriter writer, Credits value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
}

internal sealed class PlanKindForm() : WordForm<PlanKind>("A kind of plan is", ("request", PlanKind.Request), ("subscription", PlanKind.Subscription));

internal sealed class PeriodKindForm()
    : WordForm<PeriodKind>("A period is", ("day", PeriodKind.Day), ("week", PeriodKind.Week), ("month", PeriodKind.Month));

internal sealed class TokenTypeForm()
    : WordForm<TokenType>("A token type is", ("0x0002", TokenType.BlindRsa), ("0xDA7A", TokenType.PartiallyBlindRsa));

internal sealed class PseudonymPolicyForm()
    : WordForm<PseudonymPolicy>(
        "A pseudonym policy is",
        ("none", PseudonymPolicy.None), ("transient", PseudonymPolicy.Transient), ("permanent", PseudonymPolicy.Permanent), ("both", PseudonymPolicy.Both));

internal sealed class ProfileForm() : WordForm<Profile>("A profile is", ("production", Profile.Production), ("development", Profile.Development));

internal sealed class SealingSignatoryForm() : WordForm<SealingSignatory>("Sealing keys are signed by", ("issuer", SealingSignatory.Issuer), ("gateway", SealingSignatory.Gateway));

internal sealed class AdmissionModeForm()
    : WordForm<AdmissionMode>("What admits requests is", ("tokens", AdmissionMode.Tokens), ("device", AdmissionMode.Device), ("both", AdmissionMode.Both));

internal sealed class DeviceRegistrationForm()
    : WordForm<DeviceRegistration>(
        "Who may register a device is", ("closed", DeviceRegistration.Closed), ("invitation", DeviceRegistration.Invitation), ("open", DeviceRegistration.Open));

internal sealed class EvidencePolicyForm()
    : WordForm<EvidencePolicy>("What is done with evidence is", ("ignore", EvidencePolicy.Ignore), ("show", EvidencePolicy.Show), ("require", EvidencePolicy.Require));

internal sealed class TransportForm()
    : WordForm<TransportSetting>("A transport is", [.. Enum.GetValues<TransportSetting>().Select(setting => (setting.Word(), setting))]);

internal sealed class OutgrownPlanForm()
    : WordForm<OutgrownPlan>("What happens to a conversation that has outgrown its plan is", ("larger", OutgrownPlan.Larger), ("trim", OutgrownPlan.Trim), ("ask", OutgrownPlan.Ask));

internal sealed class ModerationFailureForm()
    : WordForm<ModerationFailure>("What cannot be judged is", ("refuse", ModerationFailure.Refuse), ("allow", ModerationFailure.Allow));

internal sealed class PageThemeForm() : WordForm<PageTheme>("A theme is", ("system", PageTheme.System), ("light", PageTheme.Light), ("dark", PageTheme.Dark));

internal sealed class OtherUsersForm() : WordForm<OtherUsers>("Other users get", ("refuse", OtherUsers.Refuse), ("allow", OtherUsers.Allow));

internal sealed class BackendKindForm() : WordForm<BackendKind>("A kind of backend is", ("openai", BackendKind.OpenAI), ("anthropic", BackendKind.Anthropic));

internal sealed class HealthKindForm()
    : WordForm<HealthKind>("A backend is checked as", ("models", HealthKind.Models), ("llamacpp", HealthKind.LlamaCpp), ("vllm", HealthKind.Vllm), ("ollama", HealthKind.Ollama));

/// <summary>An enumeration as the words that the documents use; case does not matter.</summary>
internal abstract class WordForm<T>(string lead, params (string Word, T Value)[] words) : JsonConverter<T>
    where T : struct, Enum
{
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        string? text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        foreach ((string word, T value) in words)
        {
            if (word.Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }
        throw new JsonException($"{lead} {string.Join(" or ", words.Select(w => w.Word))}.");
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
        writer.WriteStringValue(words.First(w => w.Value.Equals(value)).Word);
}
