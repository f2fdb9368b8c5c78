using Tacit.Storage;

namespace Tacit.App;

/// <summary>
/// The tables of <c>app.db</c>. What a person wrote, read or chose is sealed under a key of the wallet's; in the clear are random ids, which message is of which
/// conversation and which attachment of which message, and which messages were being generated.
/// </summary>
internal static class AppSchema
{
    public static IReadOnlyList<Migration> Migrations { get; } =
    [
        new(1, "chats", """
            CREATE TABLE store (
                id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
                key_check {blob} NOT NULL
            ) {strict};

            CREATE TABLE conversation (
                id {blob} NOT NULL PRIMARY KEY,
                sealed {blob} NOT NULL
            ) {strict};

            CREATE TABLE message (
                id {blob} NOT NULL PRIMARY KEY,
                conversation {blob} NOT NULL REFERENCES conversation (id),
                is_open {int} NOT NULL,
                sealed {blob} NOT NULL
            ) {strict};

            CREATE INDEX message_by_conversation ON message (conversation);
            CREATE INDEX message_open ON message (is_open) WHERE is_open = 1;

            CREATE TABLE attachment (
                id {blob} NOT NULL PRIMARY KEY,
                message {blob} NOT NULL REFERENCES message (id),
                sealed {blob} NOT NULL
            ) {strict};

            CREATE INDEX attachment_by_message ON attachment (message);

            CREATE TABLE prompt_library (
                id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
                sealed {blob} NOT NULL
            ) {strict};
            """),
        // In the clear, beside ids: how much was asked and spent with a key on a day. Of an app that is no key: one byte, 0 for the others, 1 for the page.
        new(2, "local keys", """
            CREATE TABLE local_key (
                id {blob} NOT NULL PRIMARY KEY,
                key_hash {blob} NOT NULL UNIQUE,
                sealed {blob}
            ) {strict};

            CREATE TABLE local_use (
                app {blob} NOT NULL,
                day {int} NOT NULL,
                requests {int} NOT NULL,
                credits {int} NOT NULL,
                PRIMARY KEY (app, day)
            ) {without_rowid};
            """),
    ];
}
