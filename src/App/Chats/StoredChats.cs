using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>Conversations in <c>app.db</c>, each row sealed for its place.</summary>
internal sealed class StoredChats(AppDatabase database) : IChatStore
{
    private static ReadOnlySpan<byte> HeaderPlace => "conversation.sealed"u8;

    private static ReadOnlySpan<byte> MessagePlace => "message.sealed"u8;

    private static ReadOnlySpan<byte> AttachmentPlace => "attachment.sealed"u8;

    private static ReadOnlySpan<byte> PromptsPlace => "prompt_library.sealed"u8;

    public async Task<IReadOnlyList<ChatHeader>> HeadersAsync(CancellationToken cancellationToken)
    {
        // No file is made for having looked.
        if (!database.Exists)
        {
            return [];
        }
        IReadOnlyList<(byte[] Id, byte[] Box)> rows = await database.ReadAsync(
            session => session.Query("SELECT id, sealed FROM conversation", row => (row.Blob(0), row.Blob(1))), cancellationToken);
        return [.. rows.Select(row => Open(row.Box, HeaderPlace, row.Id, ChatJson.Default.ChatHeader))];
    }

    public async Task<IReadOnlyList<ChatMessage>> MessagesAsync(string conversation, CancellationToken cancellationToken)
    {
        byte[] id = ChatId.Bytes(conversation);
        IReadOnlyList<(byte[] Id, byte[] Box)> rows = await database.ReadAsync(
            session => session.Query("SELECT id, sealed FROM message WHERE conversation = $1 ORDER BY rowid", row => (row.Blob(0), row.Blob(1)), id), cancellationToken);
        return [.. rows.Select(row => Open(row.Box, MessagePlace, row.Id, ChatJson.Default.ChatMessage))];
    }

    public async Task<IReadOnlyList<string>> OpenConversationsAsync(CancellationToken cancellationToken) => !database.Exists ? [] : await database.ReadAsync(
        session => session.Query("SELECT DISTINCT conversation FROM message WHERE is_open = 1", row => Convert.ToHexStringLower(row.BlobSpan(0))), cancellationToken);

    public Task SaveAsync(ChatChange change, CancellationToken cancellationToken) => SaveAllAsync([change], cancellationToken);

    public Task SaveAllAsync(IReadOnlyList<ChatChange> changes, CancellationToken cancellationToken)
    {
        // Sealed here and now: what is saved is what there is at the call, however long the disk takes.
        SealedChange[] boxes = [.. changes.Select(Seal)];
        return database.WriteAsync(
            session =>
            {
                foreach (SealedChange change in boxes)
                {
                    change.Write(session);
                }
            },
            cancellationToken);
    }

    public async Task<byte[]?> AttachmentAsync(string id, CancellationToken cancellationToken)
    {
        byte[] row = ChatId.Bytes(id);
        byte[]? box = await database.ReadAsync(session => session.QuerySingle("SELECT sealed FROM attachment WHERE id = $1", found => found.Blob(0), row), cancellationToken);
        return box is null ? null : database.Open(box, AttachmentPlace, row);
    }

    public async Task DeleteAsync(string? conversation)
    {
        if (!database.Exists)
        {
            return;
        }
        byte[]? id = conversation is null ? null : ChatId.Bytes(conversation);
        await database.WriteAsync(session =>
        {
            session.Execute(
                "DELETE FROM attachment WHERE message IN (SELECT id FROM message WHERE $1 IS NULL OR conversation = $1)", id);
            session.Execute("DELETE FROM message WHERE $1 IS NULL OR conversation = $1", id);
            session.Execute("DELETE FROM conversation WHERE $1 IS NULL OR id = $1", id);
        });
        await database.ForgetDeletedAsync();
    }

    public async Task<IReadOnlyList<SavedPrompt>> PromptsAsync(CancellationToken cancellationToken)
    {
        byte[]? box = database.Exists
            ? await database.ReadAsync(session => session.QuerySingle("SELECT sealed FROM prompt_library WHERE id = 1", row => row.Blob(0)), cancellationToken)
            : null;
        return box is null ? [] : Open(box, PromptsPlace, [], ChatJson.Default.ListSavedPrompt);
    }

    public async Task SavePromptsAsync(IReadOnlyList<SavedPrompt> prompts, CancellationToken cancellationToken)
    {
        byte[] box = Seal([.. prompts], PromptsPlace, [], ChatJson.Default.ListSavedPrompt);
        await database.WriteAsync(
            session => session.Execute("INSERT INTO prompt_library (id, sealed) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed", box), cancellationToken);
        // What is no longer in it is gone, as a deleted conversation is.
        await database.ForgetDeletedAsync();
    }

    private SealedChange Seal(ChatChange change)
    {
        byte[] conversation = ChatId.Bytes(change.Conversation);
        return new SealedChange(
            conversation,
            change.Header is null ? null : Seal(change.Header, HeaderPlace, conversation, ChatJson.Default.ChatHeader),
            [
                .. change.Messages.Select(message => (ChatId.Bytes(message.Id), message.State == MessageState.Generating,
                    Seal(message, MessagePlace, ChatId.Bytes(message.Id), ChatJson.Default.ChatMessage))),
            ],
            [.. change.Attachments.Select(file => (ChatId.Bytes(file.Id), ChatId.Bytes(file.Message), database.Seal(file.Content, AttachmentPlace, ChatId.Bytes(file.Id))))]);
    }

    private byte[] Seal<T>(T value, ReadOnlySpan<byte> place, ReadOnlySpan<byte> row, JsonTypeInfo<T> form)
    {
        byte[] plain = JsonSerializer.SerializeToUtf8Bytes(value, form);
        try
        {
            return database.Seal(plain, place, row);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private T Open<T>(byte[] box, ReadOnlySpan<byte> place, ReadOnlySpan<byte> row, JsonTypeInfo<T> form)
    {
        byte[] plain = database.Open(box, place, row);
        try
        {
            return JsonSerializer.Deserialize(plain, form)!;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>A change as rows.</summary>
    private sealed record SealedChange(
        byte[] Conversation, byte[]? Header, IReadOnlyList<(byte[] Id, bool IsOpen, byte[] Box)> Messages, IReadOnlyList<(byte[] Id, byte[] Message, byte[] Box)> Attachments)
    {
        public void Write(Session session)
        {
            if (Header is not null)
            {
                session.Execute("INSERT INTO conversation (id, sealed) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed", Conversation, Header);
            }
            foreach ((byte[] id, bool isOpen, byte[] box) in Messages)
            {
                session.Execute(
                    "INSERT INTO message (id, conversation, is_open, sealed) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET is_open = excluded.is_open, sealed = excluded.sealed",
                    id, Conversation, isOpen, box);
            }
            foreach ((byte[] id, byte[] message, byte[] box) in Attachments)
            {
                session.Execute("INSERT INTO attachment (id, message, sealed) VALUES ($1, $2, $3)", id, message, box);
            }
        }
    }
}
