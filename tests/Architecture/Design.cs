namespace Tacit.Architecture;

/// <summary>What the design allows, as data. A new project or reference is entered here on purpose, or the build fails.</summary>
internal static class Design
{
    /// <summary>Where the client makes its connections.</summary>
    internal const string ConnectingFile = "src/Client/Transports/Connectors.cs";

    /// <summary>By what connections are made and names looked up.</summary>
    internal static readonly string[] ConnectingCalls = ["SocketsHttpHandler", "HttpClientHandler", "new HttpClient", "new Socket(", "new TcpClient", "new UdpClient", "new ClientWebSocket", "Dns."];

    // First, as the properties below are initialised in order.
    private static readonly string[] s_io =
    [
        "System.Net.Http.", "System.Net.Sockets.", "Microsoft.AspNetCore.", "Microsoft.Extensions.Logging.", "System.IO.File", "System.IO.FileStream",
        "System.IO.Directory", "System.Threading.Timer", "System.Threading.PeriodicTimer",
    ];

    /// <summary>The references each project may have to others of ours. Cli composes all of them.</summary>
    internal static IReadOnlyDictionary<string, string[]> References { get; } = new Dictionary<string, string[]>(StringComparer.Ordinal)
    {
        ["Crypto"] = [],
        ["Storage"] = [],
        ["Hosting"] = [],
        ["Tor"] = [],
        ["Protocol"] = ["Crypto"],
        ["Inference"] = ["Protocol"],
        ["Signer"] = ["Crypto", "Protocol", "Storage", "Hosting", "Tor"],
        ["Issuer"] = ["Crypto", "Protocol", "Storage", "Hosting", "Tor"],
        ["Gateway"] = ["Crypto", "Protocol", "Storage", "Hosting", "Tor", "Inference"],
        ["Relay"] = ["Protocol", "Hosting", "Tor"],
        ["Client"] = ["Crypto", "Protocol", "Storage", "Tor"],
        ["App"] = ["Client", "Storage", "Hosting"],
        ["Cli"] = ["Crypto", "Storage", "Hosting", "Tor", "Protocol", "Inference", "Signer", "Issuer", "Gateway", "Relay", "Client", "App"],
    };

    /// <summary>The one project where both sides may meet: it starts the roles, and in the demo holds all of them.</summary>
    internal const string Composer = "Cli";

    /// <summary>Drawers for what nobody found a place for.</summary>
    internal static IReadOnlyList<string> BannedNames { get; } = ["Common", "Core", "Utils", "Util", "Helpers", "Helper", "Abstractions", "Shared"];

    /// <summary>Types that a part must never see ("who may know what"), by the project that declares them.</summary>
    internal static IReadOnlyList<(string Project, string DeclaredIn, string Type)> UnseenTypes { get; } =
    [
        ("Gateway", "Protocol", "AccountKey"),
        ("Gateway", "Protocol", "VoucherCode"),
        ("Gateway", "Crypto", "BlindRsaPrivateKey"),
        ("Gateway", "Crypto", "PartiallyBlindRsaPrivateKey"),
        ("Inference", "Protocol", "AccountKey"),
        ("Inference", "Protocol", "VoucherCode"),
        ("Inference", "Protocol", "Token"),
        ("Issuer", "Protocol", "Token"),
        ("Issuer", "Crypto", "BlindRsaPrivateKey"),
        ("Issuer", "Crypto", "PartiallyBlindRsaPrivateKey"),
        ("Signer", "Protocol", "AccountKey"),
        ("Signer", "Protocol", "VoucherCode"),
        ("Signer", "Protocol", "Token"),
    ];

    /// <summary>Namespaces and types that would make a pure project touch the world.</summary>
    internal static IReadOnlyDictionary<string, string[]> Impure { get; } = new Dictionary<string, string[]>(StringComparer.Ordinal)
    {
        ["Crypto"] = [.. s_io, "System.TimeProvider"],
        ["Protocol"] = s_io,
    };

    /// <summary>What no project but the named one may use, although <c>BannedSymbols.txt</c> bans it for all.</summary>
    internal static IReadOnlyList<(string Project, string Symbol)> BannedSymbolExceptions { get; } = [(Composer, "T:System.Console")];

    /// <summary>The side whose logs must not hold what a person asked, nor what could tell who did (law 4).</summary>
    internal static IReadOnlyList<string> AnonymousSide { get; } = ["Gateway", "Inference", "Relay"];

    /// <summary>What a log line of the anonymous side may be given: counts, times, switches, enumerations, and strings that name parts of the setup.</summary>
    internal static IReadOnlyList<string> LoggableTypes { get; } =
    [
        "System.Int32", "System.Int64", "System.Double", "System.Boolean", "System.TimeSpan", "System.DateTimeOffset", "System.Uri", "System.String",
        "Microsoft.Extensions.Logging.ILogger",
    ];

    /// <summary>Names of log parameters that say the line holds what it must not.</summary>
    internal static IReadOnlyList<string> UnloggableNames { get; } =
    [
        "prompt", "body", "content", "message", "text", "reply", "answer", "token", "authenticator", "nonce", "spendid", "tag", "secret", "apikey", "header",
        "address", "ip", "remote", "user", "account", "conversation", "query",
    ];
}
