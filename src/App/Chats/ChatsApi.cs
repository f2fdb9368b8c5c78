namespace Tacit.App;

/// <summary>Conversations and the prompt library, for the page.</summary>
internal sealed class ChatsApi(AppParts parts)
{
    public void Map(PageApi page)
    {
        parts.Events.Contribute((state, _) => Task.FromResult(state with { Chats = ChatKeeping.Kept }));
        page.Map("GET", "/prompts", PageJson.Default.IReadOnlyListSavedPrompt, _ => Task.FromResult<IReadOnlyList<SavedPrompt>>([]));
    }
}
