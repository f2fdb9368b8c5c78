using Tacit.App.Keys;
using Tacit.App.Wallets;

namespace Tacit.App;

/// <summary>All that a tab starts with: the first event it gets. Each area puts in its part (<see cref="PageEvents.Contribute"/>).</summary>
internal sealed record PageState
{
    /// <summary>The app's version.</summary>
    public string Version { get; init; } = typeof(PageState).Assembly.GetName().Version?.ToString(3) ?? "";

    /// <summary>The base address of the local API, with <c>/v1</c>.</summary>
    public string Address { get; init; } = "";

    public AppMode Mode { get; init; }

    public SettingsView Settings { get; init; } = null!;

    /// <summary>Null where there is none.</summary>
    public WalletView? Wallet { get; init; }

    public CarrierView? Carrier { get; init; }

    public IReadOnlyList<NoticeView> Notices { get; init; } = [];

    /// <summary>Programs with a key of their own, and the others.</summary>
    public IReadOnlyList<LocalKeyView> Keys { get; init; } = [];

    public ChatKeeping Chats { get; init; }

    /// <summary>Why the conversations that are kept cannot be read; null where they can.</summary>
    public string? ChatsProblem { get; init; }

    public IReadOnlyList<ConversationSummary> Conversations { get; init; } = [];

    public IReadOnlyList<SavedPrompt> Prompts { get; init; } = [];
}
