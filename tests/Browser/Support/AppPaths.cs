namespace Tacit.Browser.Support;

/// <summary>What the app answers: the API that programs use, and the one that the page uses.</summary>
internal static class AppPaths
{
    public static IReadOnlyList<(string Method, string Path)> All { get; } =
    [
        ("GET", "/v1/models"), ("GET", "/v1/models/qwen3-32b"), ("POST", "/v1/chat/completions"), ("POST", "/v1/responses"), ("POST", "/v1/embeddings"), ("POST", "/v1/messages"),
        ("GET", "/app/events"), ("GET", "/app/conversations"), ("POST", "/app/conversations"), ("DELETE", "/app/conversations"), ("GET", "/app/conversations/1"), ("PATCH", "/app/conversations/1"),
        ("DELETE", "/app/conversations/1"), ("POST", "/app/conversations/1/messages"), ("POST", "/app/conversations/1/messages/1/retry"), ("POST", "/app/conversations/1/stop"),
        ("GET", "/app/conversations/1/attachments/1"), ("GET", "/app/conversations/1/privacy"), ("GET", "/app/export"), ("POST", "/app/import"), ("GET", "/app/prompts"), ("PUT", "/app/prompts"),
        ("GET", "/app/models"), ("GET", "/app/ways"), ("GET", "/app/wallet"), ("POST", "/app/wallet/refresh-account"), ("POST", "/app/wallet/deposit"), ("GET", "/app/wallet/prices"),
        ("POST", "/app/wallet/checkout"), ("POST", "/app/wallet/fill"), ("POST", "/app/wallet/subscribe"), ("POST", "/app/wallet/unsubscribe"), ("POST", "/app/wallet/restart"),
        ("GET", "/app/wallet/history"), ("POST", "/app/wallet/reveal"), ("POST", "/app/wallet/backup"), ("POST", "/app/wallet/restore-tokens"), ("POST", "/app/wallet/audit"), ("POST", "/app/setup"),
        ("POST", "/app/setup/try"), ("GET", "/app/settings"), ("PUT", "/app/settings"), ("POST", "/app/carrier/new-identity"), ("GET", "/app/keys"), ("POST", "/app/keys"), ("DELETE", "/app/keys/1"),
        ("PATCH", "/app/keys/1"), ("GET", "/app/no-such-path"),
    ];
}
