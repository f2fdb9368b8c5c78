using System.Buffers;
using System.Buffers.Text;
using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using Tacit.Cli.Sealed;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Cli.Commands;

/// <summary><c>tacit seal</c>: a question, sealed to a gateway, for any program to carry; what opens the reply stays here.</summary>
internal static class SealCommand
{
    /// <summary>Clocks that are further apart than this: the gateway's counts.</summary>
    private static readonly TimeSpan s_trustedSkew = TimeSpan.FromSeconds(15);

    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string?> text = new("TEXT") { Description = "The question. Without it, standard input is the question.", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> stdin = new("--stdin") { Description = "Read standard input too and put it after TEXT." };
        Option<string?> model = new("--model") { Description = "The model to ask. Default: the cheapest plan's first.", HelpName = "M" };
        Option<string?> plan = new("--plan") { Description = "The request plan that pays. Default: the cheapest.", HelpName = "P" };
        Option<string?> gateway = new("--gateway") { Description = "With --key: the gateway's base URL, or unix:PATH of its socket. No wallet is used and no token sent.", HelpName = "URL" };
        Option<string?> key = new("--key") { Description = "With --gateway: the key that has to have signed its sealing keys, its own or its issuer's directory key (then with --name).", HelpName = "KEY" };
        Option<string?> name = new("--name") { Description = "With --gateway: its name. A directory key signs for several gateways, and another of them could answer in this one's place.", HelpName = "NAME" };
        Option<string?> certificate = new("--pin")
        {
            Description = "With --gateway: SHA-256 of the public key of the gateway's certificate, in base64url or hexadecimal: no other is taken.", HelpName = "HASH",
        };
        Option<SecretReference?> device = Flags.Secret("--device-key", "With --gateway: the Ed25519 key (32 bytes, base64, hexadecimal or raw) of a device that the gateway knows; it signs the question.");
        Command command = new("seal", "Seal a question to a gateway and print the request for any program to send; `tacit unseal` opens the reply.")
        {
            text, stdin, model, plan, gateway, key, name, certificate, device,
        };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string question = await AskCommand.QuestionAsync(terminal, parsed.GetValue(text), parsed.GetValue(stdin), cancellationToken, command: "seal");
            ReplySecrets secrets = new(flags.DataFolderOf(parsed), TimeProvider.System);
            string? address = parsed.GetValue(gateway);
            string? pin = parsed.GetValue(key);
            if (address is null != (pin is null) || (address is not null && !SealedGateway.IsAddress(address)))
            {
                throw new CommandException("--gateway (http://…, https://… or unix:PATH) and --key go together; without both, the wallet's directory says where and with which key.", ExitCode.Usage);
            }

            if (address is null)
            {
                if (parsed.GetValue(name) is not null)
                {
                    throw new CommandException("--name needs --gateway and --key: with a wallet, the directory names the gateway.", ExitCode.Usage);
                }

                if (parsed.GetValue(certificate) is not null)
                {
                    throw new CommandException("--pin needs --gateway and --key: with a wallet, nothing is asked of the gateway itself.", ExitCode.Usage);
                }

                if (parsed.GetValue(device) is not null)
                {
                    throw new CommandException("--device-key needs --gateway and --key: with a wallet, a token pays.", ExitCode.Usage);
                }

                await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
                string? paying = parsed.GetValue(plan);
                string chosen = parsed.GetValue(model) ?? await AskCommand.DefaultModelAsync(wallet, paying, cancellationToken);
                SealedPrompt prompt = await wallet.PresentSealedAsync(ChatReply.Question(chosen, question), paying, cancellationToken);
                var paid = new SealedInnerRequest("POST", prompt.Path, [.. prompt.Headers], prompt.Body);
                Write(terminal, secrets, prompt.KeyConfiguration, TimeProvider.System.GetUtcNow(), paid, prompt.Id, prompt.Address.ToString());
                return ExitCode.Fine;
            }

            string wanted = parsed.GetValue(model) ?? throw new CommandException("Name the --model: without a wallet nothing says which there are.", ExitCode.Usage);
            TransportOptions transport = client.Load(parsed).ToTransportOptions(new TorReport(terminal)) with { PinnedKey = PinOf(parsed.GetValue(certificate), address) };
            (byte[] config, TimeSpan ahead, WorkAnnouncement? work) =
                await SealedGateway.FindKeyAsync(address, pin!, parsed.GetValue(name), transport, TimeProvider.System, cancellationToken);
            byte[] body = ChatReply.Question(wanted, question);
            var solver = new WorkSolver(new RedemptionOptions().MaxWorkBits, new OwnDevice.WorkReport(terminal));
            // What a device asks for is worked for inside, too. That does not depend on when it is sealed, so it comes before the clock is looked at.
            SecretReference? signer = parsed.GetValue(device);
            string? stamp = work is null || signer is null ? null : await solver.SolveAsync(work, Routes.ChatCompletions, body, cancellationToken);
            DateTimeOffset now = TimeProvider.System.GetUtcNow();
            if (ahead.Duration() > s_trustedSkew)
            {
                terminal.Note($"The clock here is {ahead.Duration().TotalSeconds:F0} s {(ahead > TimeSpan.Zero ? "behind" : "ahead of")} the gateway's; sealed with the gateway's time.");
                now += ahead;
            }

            KeyValuePair<string, string>[] worked = stamp is null ? [] : [new(Routes.WorkHeader.ToLowerInvariant(), stamp)];
            var request = new SealedInnerRequest("POST", Routes.ChatCompletions, [.. Sign(signer, body, now), .. worked], body);
            Write(terminal, secrets, config, now, request, null, address, work is null ? null : (encapsulatedKey, ciphertext) =>
            {
                byte[] digest = new byte[WorkStamp.DigestSizeInBytes];
                WorkStamp.DigestOfSealed(encapsulatedKey, ciphertext, digest);
                return solver.Solve(work, digest, cancellationToken);
            });
            return ExitCode.Fine;
        });
        return command.WithExamples(
            "tacit seal \"Why is the sky blue?\" | curl -sN -H 'Content-Type: application/json' --data-binary @- https://gateway.example/api/chat | tacit unseal",
            "tacit seal --gateway unix:/run/tacit/gateway.sock --key KEY --model llama < question.txt > request.json");
    }

    private static ReadOnlyMemory<byte> PinOf(string? text, string address) => text is null ? default
        : !DirectoryOptions.TryParseKey(text, out ReadOnlyMemory<byte> pin) ? throw new CommandException("--pin takes 32 bytes in base64url or hexadecimal.", ExitCode.Usage)
        : !address.StartsWith("https://", StringComparison.OrdinalIgnoreCase) ? throw new CommandException("--pin needs a --gateway with https://: nothing else has a certificate.", ExitCode.Usage)
        : pin;

    private static void Write(
        Terminal terminal, ReplySecrets secrets, byte[] config, DateTimeOffset now, SealedInnerRequest request, string? payment, string address,
        Func<byte[], byte[], string>? work = null)
    {
        if (!ObliviousKeyConfiguration.TryParse(config, out ObliviousKeyConfiguration? parsed) || !SealedRequest.TryFindSuite(parsed.KemId, out HpkeSuite? suite)
            || !HpkePublicKey.TryImport(suite, parsed.PublicKey.Span, out HpkePublicKey? key))
        {
            throw new CommandException("The gateway's sealing key is of a kind that this version does not know.");
        }

        using HpkePublicKey owned = key;
        var json = new ArrayBufferWriter<byte>();
        using SealedReplySecret secret = SealedRequest.Seal(suite, owned, config, now, request, json, work);
        terminal.EndProgress();
        // Before anybody can send it: a reply that nobody can open would be paid for all the same.
        secrets.Keep(new KeptSecret(secret, payment));
        terminal.Out.WriteLine(Encoding.ASCII.GetString(json.WrittenSpan));
        terminal.Out.Flush();
        if (terminal.IsInteractive)
        {
            terminal.Note($"To be sent within a minute, and once: | curl -sN -H 'Content-Type: application/json' --data-binary @- {address.TrimEnd('/')}{Routes.SealedChat} | tacit unseal");
        }
    }

    private static IReadOnlyList<KeyValuePair<string, string>> Sign(SecretReference? device, byte[] body, DateTimeOffset now)
    {
        if (device is null)
        {
            return [];
        }

        using SecretBytes secret = device.Load("--device-key");
        byte[] seed = new byte[Ed25519PrivateKey.SizeInBytes];
        try
        {
            ReadSeed(secret.Span, seed);
            using Ed25519PrivateKey key = Ed25519PrivateKey.Import(seed);
            DeviceSignature signature = DeviceSignature.Sign(
                key, "POST", Routes.ChatCompletions, body, RandomNumberGenerator.GetBytes(DeviceSignature.NonceSizeInBytes), now);
            return
            [
                new("content-digest", signature.DigestValue), new("signature-input", signature.InputValue), new("signature", signature.SignatureValue),
            ];
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    private static void ReadSeed(ReadOnlySpan<byte> secret, Span<byte> seed)
    {
        ReadOnlySpan<byte> trimmed = secret.Trim("\r\n\t "u8);
        if (secret.Length == seed.Length)
        {
            secret.CopyTo(seed);
        }
        else if (!((trimmed.Length == 2 * seed.Length && Convert.FromHexString(trimmed, seed, out _, out int written) == OperationStatus.Done && written == seed.Length)
            || (Base64Url.GetMaxDecodedLength(trimmed.TrimEnd((byte)'=').Length) == seed.Length
                && Base64Url.DecodeFromUtf8(trimmed.TrimEnd((byte)'='), seed, out _, out written) == OperationStatus.Done && written == seed.Length)
            || (trimmed.Length == 44 && Base64.DecodeFromUtf8(trimmed, seed, out _, out written) == OperationStatus.Done && written == seed.Length)))
        {
            throw new CommandException("--device-key has to be 32 bytes: raw, in hexadecimal, or in base64.");
        }
    }
}
