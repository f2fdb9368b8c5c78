using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tacit.App;

/// <summary>An enum on the wire between page and app: its names in kebab-case (<c>NotKept</c> is <c>not-kept</c>), never a number.</summary>
internal sealed class PageEnum<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false)
    where T : struct, Enum;
