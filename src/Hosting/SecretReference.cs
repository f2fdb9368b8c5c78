using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Unicode;

namespace Tacit.Hosting;

/// <summary>
/// Says where a secret is: <c>env:NAME</c> or <c>file:PATH</c>. Settings, flags and logs hold the reference and never the value.
/// One line ending at the end of a secret that is text is not part of it; binary secrets are taken as they are. At most <see cref="MaxSizeInBytes"/> bytes.
/// </summary>
[JsonConverter(typeof(JsonForm))]
public sealed class SecretReference
{
    public const int MaxSizeInBytes = 64 * 1024;

    private readonly bool _isFile;
    private readonly string _target;

    private SecretReference(bool isFile, string target)
    {
        _isFile = isFile;
        _target = target;
    }

    /// <summary>The file that holds it; null for one in the environment.</summary>
    internal string? FilePath => _isFile ? _target : null;

    public static SecretReference FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new SecretReference(isFile: true, path);
    }

    public static SecretReference FromEnvironment(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return new SecretReference(isFile: false, name);
    }

    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out SecretReference? reference)
    {
        reference = text switch
        {
            not null when text.StartsWith("env:", StringComparison.Ordinal) && text.Length > 4 && !text.Contains('=', StringComparison.Ordinal) =>
                FromEnvironment(text[4..]),
            not null when text.StartsWith("file:", StringComparison.Ordinal) && text.Length > 5 => FromFile(text[5..]),
            _ => null,
        };
        return reference is not null;
    }

    /// <exception cref="FormatException">Neither form. The text is not repeated: it may be the secret itself, put there by mistake.</exception>
    public static SecretReference Parse(string text) => TryParse(text, out SecretReference? reference) ? reference : throw new FormatException(Malformed);

    internal const string Malformed = "A secret is given as env:NAME or file:PATH, never as its value.";

    /// <summary>Reads the secret. The caller owns the result and disposes of it as soon as it can.</summary>
    /// <exception cref="SettingsException">Missing, empty, too large, unreadable, or a file that other users can change.</exception>
    public SecretBytes Load(string settingName)
    {
        byte[] raw = _isFile ? ReadFile(settingName) : ReadEnvironment(settingName);
        try
        {
            ReadOnlySpan<byte> value = raw;
            // Editors and shells end a text with a line feed that nobody means to be part of it; in random bytes it is as good as any other.
            if (value.EndsWith("\n"u8) && IsText(value))
            {
                value = value[..^1];
                if (value.EndsWith("\r"u8))
                {
                    value = value[..^1];
                }
            }
            return value.IsEmpty ? throw Unusable(settingName, "is empty", "Put the secret there.") : new SecretBytes(value);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(raw);
        }
    }

    /// <summary>True for a file that users other than its owner can read; <c>--check</c> warns of it.</summary>
    public bool IsReadableByOthers =>
        _isFile && !OperatingSystem.IsWindows() && File.Exists(_target)
        && (File.GetUnixFileMode(_target) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != 0;

    /// <summary>True for a file that every user of the machine can read: its mode lets them, and no folder above keeps them out.</summary>
    internal bool IsReadableByAll()
    {
        if (!_isFile || OperatingSystem.IsWindows() || !File.Exists(_target) || (File.GetUnixFileMode(_target) & UnixFileMode.OtherRead) == 0)
        {
            return false;
        }
        for (string? folder = Path.GetDirectoryName(Path.GetFullPath(_target)); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if ((File.GetUnixFileMode(folder) & UnixFileMode.OtherExecute) == 0)
            {
                return false;
            }
        }
        return true;
    }

    private static bool IsText(ReadOnlySpan<byte> value) => Utf8.IsValid(value) && !value[..^1].ContainsAnyInRange((byte)0, (byte)8);

    public override string ToString() => (_isFile ? "file:" : "env:") + _target;

    private byte[] ReadEnvironment(string settingName)
    {
        string? value = Environment.GetEnvironmentVariable(_target);
        return value switch
        {
            null => throw Unusable(settingName, "is not set", $"Set the environment variable {_target}, or point {settingName} elsewhere."),
            { Length: > MaxSizeInBytes } => throw Unusable(settingName, "is too large", $"A secret has at most {MaxSizeInBytes} bytes."),
            _ => Encoding.UTF8.GetBytes(value),
        };
    }

    private byte[] ReadFile(string settingName)
    {
        try
        {
            using FileStream file = new(_target, new FileStreamOptions { BufferSize = 0 });
            // A key that someone else can replace protects nothing; one that a group may read is how container platforms mount secrets.
            if (!OperatingSystem.IsWindows()
                && (File.GetUnixFileMode(file.SafeFileHandle) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
            {
                throw Unusable(settingName, "can be changed by other users", $"Run: chmod 600 {_target}");
            }
            // Read to a bound, not to the reported length: a pipe or a device has none.
            byte[] buffer = new byte[MaxSizeInBytes + 1];
            int length = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (length > MaxSizeInBytes)
            {
                CryptographicOperations.ZeroMemory(buffer);
                throw Unusable(settingName, "is too large", $"A secret has at most {MaxSizeInBytes} bytes.");
            }
            byte[] value = buffer.AsSpan(0, length).ToArray();
            CryptographicOperations.ZeroMemory(buffer);
            return value;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Unusable(settingName, "does not exist", $"Create the file {_target}, or point {settingName} elsewhere.");
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw Unusable(settingName, "cannot be read", $"Let the user that runs this read {_target}.");
        }
    }

    private SettingsException Unusable(string settingName, string problem, string fix) =>
        new(new SettingsProblem(settingName, $"the secret {this} {problem}", fix));

    /// <summary>Its text form in settings.</summary>
    public sealed class JsonForm : JsonConverter<SecretReference>
    {
        public override SecretReference Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String && TryParse(reader.GetString(), out SecretReference? reference)
                ? reference
                : throw new JsonException(Malformed);

        public override void Write(Utf8JsonWriter writer, SecretReference value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }
}
