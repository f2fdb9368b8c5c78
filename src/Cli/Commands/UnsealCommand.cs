using System.CommandLine;
using System.Text;
using Tacit.App;
using Tacit.Cli.Sealed;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Cli.Commands;

/// <summary><c>tacit unseal</c>: the reply to a request of <c>tacit seal</c>, as it comes on standard input.</summary>
internal static class UnsealCommand
{
    /// <summary>Another command may have the wallet for a moment.</summary>
    private const int Tries = 40;

    private static readonly TimeSpan s_betweenTries = TimeSpan.FromMilliseconds(250);

    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> raw = new("--raw") { Description = "Print the body of the reply as it is, whatever it is." };
        Command command = new("unseal", "Open the reply to a request of `tacit seal` from standard input and print the answer as it comes.") { raw };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (!terminal.InputIsRedirected)
            {
                throw new CommandException("Give it what the gateway answers: tacit seal \"TEXT\" | curl … | tacit unseal", ExitCode.Usage);
            }

            ReplySecrets secrets = new(flags.DataFolderOf(parsed), TimeProvider.System);
            KeptSecret? kept = null;
            try
            {
                UnsealedStream body = await UnsealedStream.OpenAsync(
                    terminal.In,
                    requestId => (kept = secrets.Take(requestId)
                        ?? throw new CommandException("Nothing is kept here that opens this reply: it was sealed elsewhere (--data), or its reply was opened before.")).Secret,
                    cancellationToken);
                using SealedReplyReader reply = body.Reply;
                try
                {
                    await (parsed.GetValue(raw) ? CopyAsync(terminal, body, cancellationToken) : PrintAsync(terminal, body, cancellationToken));
                }
                finally
                {
                    if (kept!.Payment is string payment && reply.IsWhole)
                    {
                        await SettleAsync(terminal, client.Load(parsed), payment, OutcomeOf(reply));
                    }
                }

                return reply.Status is >= 200 and < 300 ? ExitCode.Fine : ExitCode.Failed;
            }
            finally
            {
                kept?.Secret.Dispose();
            }
        });
        return command.WithExamples("tacit seal \"Why is the sky blue?\" | curl -sN -H 'Content-Type: application/json' --data-binary @- https://gateway.example/api/chat | tacit unseal");
    }

    private static async Task PrintAsync(Terminal terminal, UnsealedStream body, CancellationToken cancellationToken)
    {
        SealedReplyReader reply = body.Reply;
        bool isEventStream = reply.Headers.TryGetValue("content-type", out string? type) && type.StartsWith(MediaTypes.EventStream, StringComparison.OrdinalIgnoreCase);
        await foreach (string piece in ChatReply.ReadAsync(new AskReply(reply.Status!.Value, isEventStream, body, null, []), cancellationToken))
        {
            terminal.Untrusted(piece);
        }

        terminal.Line();
    }

    private static async Task CopyAsync(Terminal terminal, UnsealedStream body, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[8192];
        char[] characters = new char[8192 + 1];
        Decoder decoder = Encoding.UTF8.GetDecoder();
        int read;
        do
        {
            read = await body.ReadAsync(buffer, cancellationToken);
            terminal.Untrusted(new string(characters, 0, decoder.GetChars(buffer, 0, read, characters, 0, flush: read == 0)));
        }
        while (read > 0);
    }

    private static SealedOutcome OutcomeOf(SealedReplyReader reply)
    {
        string renewal = "tacit-renewal";
        return new SealedOutcome(
            reply.Status!.Value, reply.Headers.GetValueOrDefault("tacit-token"), reply.Trailers?.GetValueOrDefault(renewal) ?? reply.Headers.GetValueOrDefault(renewal));
    }

    /// <summary>What became of the token, into the journal: to the end, also where the user has had enough meanwhile.</summary>
    private static async Task SettleAsync(Terminal terminal, AppOptions options, string payment, SealedOutcome outcome)
    {
        for (int tried = 1; ; tried++)
        {
            try
            {
                await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, options, CancellationToken.None);
                await wallet.SettleSealedAsync(payment, outcome, CancellationToken.None);
                return;
            }
            catch (StorageException e) when (e.Kind == StorageErrorKind.Locked && tried < Tries)
            {
                await Task.Delay(s_betweenTries);
            }
        }
    }
}
