using System.CommandLine;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Cli.Commands;

/// <summary>A key pair for client authorization of an onion service.</summary>
/// <param name="PublicKey">For <c>Onion:AuthorizedClients</c> of the role; 52 symbols of base32.</param>
/// <param name="File">Where the private key is.</param>
internal sealed record OnionClientKey(string PublicKey, string File);

/// <summary><c>tacit keys onion-client</c>: makes a key pair of which the public half opens an onion service to whoever holds the other.</summary>
internal static class OnionClientCommand
{
    private const string Base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    public static Command Create(Terminal terminal)
    {
        Argument<string> file = new("FILE") { Description = "Where to write the private key; it must not exist yet." };
        Option<bool> json = Flags.Json();
        Command command = new(
            "onion-client", "Make a key pair for an onion service that only certain clients may find. The public key goes to the service's operator, the file stays with the client.") { file, json };
        command.SetAction(parsed =>
        {
            string path = Path.GetFullPath(parsed.GetRequiredValue(file));
            OnionClientKey key = Make(path);
            if (parsed.GetValue(json))
            {
                terminal.Json(key, CliJson.Default.OnionClientKey);
                return ExitCode.Fine;
            }
            terminal.Line($"public key: {key.PublicKey}");
            terminal.Line("  It goes into Onion:AuthorizedClients of the issuer, gateway or relay.");
            terminal.Line($"private key: in {path}, as Tor writes it (descriptor:x25519:…)");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit keys onion-client alice.key");
    }

    private static OnionClientKey Make(string path)
    {
        using HpkePrivateKey pair = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
        byte[] secret = GC.AllocateUninitializedArray<byte>(HpkeSuite.X25519ChaCha20Poly1305.PrivateKeySizeInBytes, pinned: true);
        pair.Export(secret);
        // The form of Tor's own .auth_private files (man tor, CLIENT AUTHORIZATION), without the address, which the client knows.
        char[] text = [.. "descriptor:x25519:", .. Encode(secret), '\n'];
        CryptographicOperations.ZeroMemory(secret);
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }
        try
        {
            using StreamWriter writer = new(path, options);
            writer.Write(text);
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new CommandException($"{path} exists already. A key overwrites nothing: choose another name.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path} cannot be written: {e.Message}");
        }
        finally
        {
            Array.Clear(text);
        }
        return new OnionClientKey(new string(Encode(pair.PublicKey.Export())), path);
    }

    /// <summary>RFC 4648, section 6, without padding.</summary>
    private static char[] Encode(ReadOnlySpan<byte> bytes)
    {
        char[] text = new char[((bytes.Length * 8) + 4) / 5];
        for (int i = 0; i < text.Length; i++)
        {
            int at = i * 5;
            int pair = (bytes[at / 8] << 8) | ((at / 8) + 1 < bytes.Length ? bytes[(at / 8) + 1] : 0);
            text[i] = Base32[(pair >> (11 - (at % 8))) & 31];
        }
        return text;
    }
}
