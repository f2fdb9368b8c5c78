using Microsoft.AspNetCore.Http;
using Tacit.Client;

namespace Tacit.App;

/// <summary>What a new conversation and a question take where they name nothing themselves.</summary>
internal sealed record ChatDefaults(string? Model = null, string? Plan = null, string? System = null)
{
    /// <summary>The plan goes with its model: with another it may buy nothing.</summary>
    public string? PlanFor(string? model) => Model is null || model == Model ? Plan : null;
}

/// <summary>Conversations and the prompt library, for the page.</summary>
internal sealed class ChatsApi(AppParts parts, ChatShelf chats)
{
    /// <summary>A file of all conversations with their pictures.</summary>
    private const int MaxImportBytes = 256 << 20;

    private const int MaxPromptsBytes = 16 << 20;

    public void Map(PageApi page)
    {
        parts.Events.Contribute(DescribeAsync);
        page.Map("GET", "/conversations", PageJson.Default.ConversationList, async context => new ConversationList(await FindAsync(context)));
        page.Map("POST", "/conversations", PageJson.Default.NewConversation, PageJson.Default.ConversationView, (context, body) => chats.Book.CreateAsync(body, context.RequestAborted), ChatBook.MaxTextLength * 6);
        page.Map("DELETE", "/conversations", context => chats.DeleteAllAsync(context.RequestAborted));
        page.Map("GET", "/conversations/{id}", PageJson.Default.ConversationView, context => chats.Book.GetAsync(Id(context), context.RequestAborted));
        page.Map("DELETE", "/conversations/{id}", context => chats.Book.DeleteAsync(Id(context), context.RequestAborted));
        page.Map(
            "PATCH", "/conversations/{id}", PageJson.Default.ConversationChange, PageJson.Default.ConversationView,
            (context, body) => chats.Book.ChangeAsync(Id(context), body, context.RequestAborted), ChatBook.MaxTextLength * 6);
        page.Map(
            "POST", "/conversations/{id}/messages", PageJson.Default.NewMessage, PageJson.Default.NewMessageResult,
            (context, body) => chats.Book.SendAsync(Id(context), body, context.RequestAborted), parts.Options.MaxRequestBytes);
        page.Map(
            "POST", "/conversations/{id}/messages/{message}/retry", PageJson.Default.RetryMessage, PageJson.Default.RetryResult,
            (context, body) => chats.Book.RetryAsync(Id(context), Value(context, "message"), body, context.RequestAborted));
        page.Map("POST", "/conversations/{id}/stop", context => chats.Book.StopAsync(Id(context), context.RequestAborted));
        page.Map("GET", "/conversations/{id}/attachments/{attachment}", SendAttachmentAsync);
        page.Map("GET", "/export", ExportAsync);
        page.Map(
            "POST", "/import", PageJson.Default.ChatFile, PageJson.Default.ImportResult,
            async (context, file) => new ImportResult(await chats.Book.ImportAsync(file, context.RequestAborted)), MaxImportBytes);
        page.Map("GET", "/prompts", PageJson.Default.IReadOnlyListSavedPrompt, context => chats.Book.PromptsAsync(context.RequestAborted));
        page.Map(
            "PUT", "/prompts", PageJson.Default.IReadOnlyListSavedPrompt, PageJson.Default.IReadOnlyListSavedPrompt,
            (context, prompts) => chats.Book.SavePromptsAsync(prompts, context.RequestAborted), MaxPromptsBytes);
    }

    /// <summary>A file that cannot be read leaves the rest of the page as it is: wallet and settings are where it may be put right.</summary>
    private async Task<PageState> DescribeAsync(PageState state, CancellationToken cancellationToken)
    {
        state = state with { Chats = chats.Keeping };
        if (!chats.IsReady)
        {
            return state;
        }
        try
        {
            return state with
            {
                Conversations = await chats.Book.ListAsync(cancellationToken),
                Prompts = await chats.Book.PromptsAsync(cancellationToken),
            };
        }
        catch (Exception e) when (PageProblem.Explain(e) is PageProblem problem)
        {
            return state with { ChatsProblem = problem.Detail ?? problem.Title };
        }
    }

    /// <summary>The conversation that a call is about.</summary>
    public static string Id(HttpContext context) => Value(context, "id");

    private static string Value(HttpContext context, string name) => context.Request.RouteValues[name] is string id && ChatId.IsValid(id)
        ? id
        : throw new PageException(PageProblem.Missing(name == "id" ? "conversation" : name));

    private Task<IReadOnlyList<ConversationSummary>> FindAsync(HttpContext context)
    {
        string text = context.Request.Query["search"].ToString().Trim();
        return text.Length switch
        {
            0 => chats.Book.ListAsync(context.RequestAborted),
            > ChatSearch.MaxLength => throw new PageException(PageProblem.Malformed($"A search has at most {ChatSearch.MaxLength} characters.")),
            _ => chats.Book.SearchAsync(text, context.RequestAborted),
        };
    }

    private async Task SendAttachmentAsync(HttpContext context)
    {
        (ChatAttachment file, byte[] content) = await chats.Book.AttachmentAsync(Id(context), Value(context, "attachment"), context.RequestAborted);
        context.Response.ContentType = AttachmentRules.ServedAs(file);
        context.Response.ContentLength = content.Length;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        // Somebody else made it: were it opened as a page, it could do nothing.
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
        await context.Response.BodyWriter.WriteAsync(content, context.RequestAborted);
    }

    private async Task ExportAsync(HttpContext context)
    {
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers.ContentDisposition = "attachment; filename=\"tacit-chats.json\"";
        await chats.Book.ExportAsync(context.Response.BodyWriter, context.RequestAborted);
    }
}
