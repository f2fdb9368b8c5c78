using System.Security.Cryptography;
using System.Text;
using Tacit.EndToEnd.Unlinkability;

namespace Tacit.EndToEnd.Canary;

/// <summary>Strings that occur nowhere but where a test puts them: what turns up anywhere else was written by the product.</summary>
internal sealed class Canaries
{
    public string Prompt { get; } = Make("prompt");

    public string Reply { get; } = Make("reply");

    public string ToolArguments { get; } = Make("arguments");

    public byte[] Image { get; } = RandomNumberGenerator.GetBytes(48);

    /// <summary>The API key that a local program gives, and that the app ignores.</summary>
    public string Bearer { get; } = Make("bearer");

    public string UserAgent { get; } = Make("agent");

    public string Cookie { get; } = Make("cookie");

    public string Header { get; } = Make("header");

    public string TraceId { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    public string TraceState { get; } = Make("tracestate");

    public string Conversation { get; } = Make("conversation");

    public string User { get; } = Make("user");

    public string Metadata { get; } = Make("metadata");

    /// <summary>A member, path or method that there is not.</summary>
    public string Unknown { get; } = Make("unknown");

    /// <summary>What a provider puts into its reply's headers.</summary>
    public string ProviderHeader { get; } = Make("providers");

    public string ProviderKey { get; } = "sk-" + Make("key");

    /// <summary>What may be in a reply's body, and in a request to a provider.</summary>
    public IEnumerable<(string Name, byte[] Value)> Content =>
    [
        .. Texts(("prompt", Prompt), ("reply", Reply), ("tool arguments", ToolArguments), ("unknown member or path", Unknown)),
        ("image", Image),
    ];

    /// <summary>What may be nowhere at all beyond the app.</summary>
    public IEnumerable<(string Name, byte[] Value)> Identifying => Texts(
        ("bearer", Bearer), ("user agent", UserAgent), ("cookie", Cookie), ("header", Header), ("trace id", TraceId), ("trace state", TraceState), ("conversation", Conversation),
        ("user", User), ("metadata", Metadata));

    public IEnumerable<(string Name, byte[] Value)> OfProvider => Texts(("provider's header", ProviderHeader), ("provider's key", ProviderKey));

    public IEnumerable<(string Name, byte[] Value)> All => Content.Concat(Identifying).Concat(OfProvider);

    public static SecretSearch Search(IEnumerable<(string Name, byte[] Value)> canaries)
    {
        var search = new SecretSearch();
        foreach ((string name, byte[] value) in canaries)
        {
            search.Add(name, value);

            // As strings lie in memory, and so in a dump of it.
            search.Add(name + " in UTF-16", Encoding.Unicode.GetBytes(Encoding.Latin1.GetString(value)));
        }

        return search;
    }

    private static string Make(string kind) => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12)) + kind + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));

    private static IEnumerable<(string, byte[])> Texts(params (string Name, string Text)[] texts) => texts.Select(text => (text.Name, Encoding.ASCII.GetBytes(text.Text)));
}
