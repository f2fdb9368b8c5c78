using System.Text.Json.Serialization;
using Tacit.Cli.Doctor;
using Tacit.Cli.Roles;
using Tacit.Issuer;

namespace Tacit.Cli;

/// <summary>The forms of <c>--json</c>. Members are only ever added.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(RoleReady))]
[JsonSerializable(typeof(VoucherBatch))]
internal sealed partial class CliJson : JsonSerializerContext;
