using System.Text.Json.Serialization;
using Tacit.Cli.Commands;
using Tacit.Cli.Demo;
using Tacit.Cli.Doctor;
using Tacit.Cli.Roles;
using Tacit.Client;
using Tacit.Gateway.Chains;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Issuer.Ledger;
using Tacit.Signer;

namespace Tacit.Cli;

/// <summary>The forms of <c>--json</c>. Members are only ever added.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(RoleReady))]
[JsonSerializable(typeof(VoucherBatch))]
[JsonSerializable(typeof(AccountCreated))]
[JsonSerializable(typeof(AccountSummary))]
[JsonSerializable(typeof(DepositResult))]
[JsonSerializable(typeof(CreditPrices))]
[JsonSerializable(typeof(DirectoryAudit))]
[JsonSerializable(typeof(CheckoutPage))]
[JsonSerializable(typeof(WalletStatus))]
[JsonSerializable(typeof(IReadOnlyList<PseudonymHoldings>))]
[JsonSerializable(typeof(WalletRestored))]
[JsonSerializable(typeof(FillResult))]
[JsonSerializable(typeof(SubscribeResult))]
[JsonSerializable(typeof(BackupWritten))]
[JsonSerializable(typeof(IReadOnlyList<HistoryEntry>))]
[JsonSerializable(typeof(DirectorySummary))]
[JsonSerializable(typeof(Answer))]
[JsonSerializable(typeof(DemoResult))]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(GatewayTotals))]
[JsonSerializable(typeof(ProviderReport))]
[JsonSerializable(typeof(SalesReport))]
[JsonSerializable(typeof(Gateway.Pseudonyms.PseudonymReport))]
[JsonSerializable(typeof(Gateway.Devices.DeviceReport))]
[JsonSerializable(typeof(Gateway.Sealing.SealingKeyReport))]
[JsonSerializable(typeof(DeviceShown))]
[JsonSerializable(typeof(Hosting.Onion.OnionReport))]
[JsonSerializable(typeof(OnionClientKey))]
[JsonSerializable(typeof(SignerTotals))]
[JsonSerializable(typeof(Reconciliation))]
internal sealed partial class CliJson : JsonSerializerContext;
