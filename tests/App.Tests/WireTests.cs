using System.Collections;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Transports;

namespace Tacit.App.Tests;

/// <summary>
/// What the page is compiled against is what the app sends: <c>src/App/web/src/wire.ts</c> is written from the records that <see cref="PageJson"/> has and from the events that
/// are told. <c>TACIT_UPDATE=1 dotnet test tests/App.Tests --filter WireTests</c> writes it anew.
/// </summary>
public sealed class WireTests
{
    private const string ByHand = "// Below: written by hand, short names for what is above.\n";

    /// <summary>What the page calls by a shorter name.</summary>
    private static readonly Dictionary<Type, string> s_names = new()
    {
        [typeof(PageState)] = "State", [typeof(ConversationView)] = "Conversation", [typeof(MessageView)] = "Message", [typeof(StageView)] = "Stage", [typeof(DeltaEvent)] = "Delta",
        [typeof(ModelsView)] = "Models", [typeof(SettingsView)] = "Settings", [typeof(WalletPlanView)] = "WalletPlan", [typeof(SubscriptionHoldings)] = "SubscriptionView",
        [typeof(ServerStatus)] = "ServerView", [typeof(DepositResult)] = "DepositView", [typeof(FillResult)] = "FillView", [typeof(CreditPrices)] = "PricesView",
        [typeof(CheckoutPage)] = "CheckoutView",
    };

    private static readonly NullabilityInfoContext s_nullability = new();

    [Fact]
    public void Types_of_the_page_are_those_of_the_app()
    {
        string path = Path.Combine(Root(), "src", "App", "web", "src", "wire.ts");
        string before = File.ReadAllText(path);
        string written = Write(before);
        if (Environment.GetEnvironmentVariable("TACIT_UPDATE") == "1")
        {
            File.WriteAllText(path, written);
        }
        else
        {
            Assert.True(before == written, "src/App/web/src/wire.ts is not what the app sends; TACIT_UPDATE=1 dotnet test tests/App.Tests --filter WireTests writes it anew.");
        }
    }

    [Theory]
    [InlineData(typeof(Sample), "text: string;")]
    [InlineData(typeof(Sample), "maybe?: string | null;")]
    [InlineData(typeof(Sample), "count?: number | null;")]
    [InlineData(typeof(Sample), "at: string;")]
    [InlineData(typeof(Sample), "kind: 'kept' | 'not-kept';")]
    [InlineData(typeof(Sample), "others: AttachmentView[];")]
    [InlineData(typeof(Sample), "maybeOthers?: (string | null)[] | null;")]
    [InlineData(typeof(Sample), "bytes: string;")]
    [InlineData(typeof(Sample), "sums: Record<string, number>;")]
    public void Member_is_written_as_it_is_sent(Type type, string expected) => Assert.Contains($"  {expected}\n", Declare(type), StringComparison.Ordinal);

    [Fact]
    public void Enum_that_would_be_sent_as_a_number_is_refused() => Assert.ThrowsAny<Exception>(() => Declare(typeof(Numbered)));

    private static string Write(string before)
    {
        string byHand = before.Contains(ByHand, StringComparison.Ordinal) ? before[before.IndexOf(ByHand, StringComparison.Ordinal)..] : "";
        SortedDictionary<string, string> declarations = new(StringComparer.Ordinal);
        Queue<Type> left = new(typeof(PageJson).GetCustomAttributesData()
            .Where(attribute => attribute.AttributeType == typeof(JsonSerializableAttribute)).Select(attribute => (Type)attribute.ConstructorArguments[0].Value!));
        (string Name, Type Type)[] events = [.. FindEvents().OrderBy(known => known.Name, StringComparer.Ordinal)];
        Array.ForEach(events, known => left.Enqueue(known.Type));
        HashSet<Type> done = [];
        while (left.TryDequeue(out Type? next))
        {
            Type type = ElementOf(next) ?? Nullable.GetUnderlyingType(next) ?? next;
            if (IsOurs(type) && done.Add(type))
            {
                declarations.Add(NameOf(type), Declare(type));
                foreach (PropertyInfo member in Members(type))
                {
                    left.Enqueue(member.PropertyType);
                }
            }
        }
        declarations.Add("~Events", $"/** What the event stream sends, by the event's name. */\nexport interface Events {{\n{string.Concat(events.Select(known => $"  '{known.Name}': {TypeOf(known.Type)};\n"))}}}\n");
        var text = new StringBuilder(
            "// What the app and its page say to each other. Times are ISO 8601, sizes are bytes, prices are credits.\n"
            + "// Written from the app's records by tests/App.Tests/WireTests.cs (TACIT_UPDATE=1): change those.\n");
        foreach (string declaration in declarations.Values)
        {
            text.Append('\n').Append(declaration);
        }
        return byHand.Length > 0 ? text.Append('\n').Append(byHand).ToString() : text.ToString();
    }

    /// <summary>Every kind of event that is declared anywhere in the app.</summary>
    private static IEnumerable<(string Name, Type Type)> FindEvents()
    {
        const BindingFlags Statics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
        foreach (Type type in typeof(PageJson).Assembly.GetTypes().Where(type => !type.ContainsGenericParameters))
        {
            foreach (FieldInfo field in type.GetFields(Statics).Where(field => field.FieldType.IsGenericType && field.FieldType.GetGenericTypeDefinition() == typeof(PageEvent<>)))
            {
                object known = field.GetValue(null)!;
                yield return ((string)field.FieldType.GetProperty("Name")!.GetValue(known)!, field.FieldType.GetGenericArguments()[0]);
            }
        }
    }

    private static string Declare(Type type) =>
        $"export interface {NameOf(type)} {{\n{string.Concat(Members(type).Select(member => $"  {Member(member)};\n"))}}}\n";

    private static string Member(PropertyInfo member)
    {
        NullabilityInfo nullability = s_nullability.Create(member);
        string type = member.GetCustomAttribute<JsonConverterAttribute>() is { ConverterType: Type converter } && converter.IsGenericType && converter.GetGenericTypeDefinition() == typeof(PageEnum<>)
            ? Union(member.PropertyType)
            : TypeOf(member.PropertyType, nullability);
        bool isOptional = nullability.ReadState == NullabilityState.Nullable;
        return $"{JsonNamingPolicy.CamelCase.ConvertName(member.Name)}{(isOptional ? "?" : "")}: {type}{(isOptional ? " | null" : "")}";
    }

    private static string TypeOf(Type type, NullabilityInfo? nullability = null)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string) || type == typeof(DateTimeOffset) || type == typeof(DateOnly) || type == typeof(Uri) || type == typeof(TimeSpan) || type == typeof(byte[]))
        {
            return "string";
        }
        if (type == typeof(bool))
        {
            return "boolean";
        }
        if (type == typeof(int) || type == typeof(long) || type == typeof(double))
        {
            return "number";
        }
        if (type == typeof(JsonElement))
        {
            return "unknown";
        }
        if (type.IsEnum)
        {
            return type.GetCustomAttribute<JsonConverterAttribute>() is not null ? Union(type) : throw new NotSupportedException($"{type} would be sent as a number: give it [JsonConverter(typeof(PageEnum<…>))].");
        }
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>))
        {
            return $"Record<string, {TypeOf(type.GetGenericArguments()[1])}>";
        }
        if (ElementOf(type) is Type element)
        {
            string inner = TypeOf(element);
            NullabilityInfo? own = nullability?.ElementType ?? nullability?.GenericTypeArguments.FirstOrDefault();
            return own?.ReadState == NullabilityState.Nullable || Nullable.GetUnderlyingType(element) is not null ? $"({inner} | null)[]" : inner.Contains(' ', StringComparison.Ordinal) ? $"({inner})[]" : $"{inner}[]";
        }
        return IsOurs(type) ? NameOf(type) : throw new NotSupportedException($"How {type} is sent is not known here.");
    }

    private static string Union(Type type) =>
        string.Join(" | ", Enum.GetNames(Nullable.GetUnderlyingType(type) ?? type).Select(name => $"'{JsonNamingPolicy.KebabCaseLower.ConvertName(name)}'"));

    private static Type? ElementOf(Type type) => type == typeof(string) || type == typeof(byte[]) || !type.IsAssignableTo(typeof(IEnumerable)) ? null
        : type.IsArray ? type.GetElementType()
        : type.GetGenericArguments() is [Type element] ? element
        : type.GetGenericArguments() is [_, Type value] ? value
        : null;

    private static bool IsOurs(Type type) => type is { IsEnum: false, Namespace: not null } && type.Namespace.StartsWith("Tacit", StringComparison.Ordinal);

    private static string NameOf(Type type) => s_names.TryGetValue(type, out string? name) ? name : type.Name;

    private static IEnumerable<PropertyInfo> Members(Type type) => type.GetProperties(BindingFlags.Instance | BindingFlags.Public)
        .Where(member => member.GetIndexParameters().Length == 0 && member.GetCustomAttribute<JsonIgnoreAttribute>() is not { Condition: JsonIgnoreCondition.Always })
        .OrderBy(member => member.MetadataToken);

    internal static string Root()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
        {
            folder = folder.Parent;
        }
        return folder?.FullName ?? throw new InvalidOperationException("The tests are not in the repository.");
    }

    private sealed record Sample(
        string Text, string? Maybe, long? Count, DateTimeOffset At, ChatKeeping Kind, IReadOnlyList<AttachmentView> Others, IReadOnlyList<string?>? MaybeOthers, byte[] Bytes,
        IReadOnlyDictionary<string, long> Sums);

    private sealed record Numbered(DayOfWeek Day);
}
