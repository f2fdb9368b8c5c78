using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Sealing;

/// <summary>What attests each new sealing key: the group <c>Evidence</c> of <c>Sealing</c>. Exactly one of the two where a format is named.</summary>
public sealed record KeyEvidenceOptions
{
    /// <summary>What the evidence is, such as <c>sev-snp</c>. Default: there is none.</summary>
    public string? Format { get; init; }

    /// <summary>A file with it, read whenever a key is made: for machines on which something else keeps it up to date.</summary>
    public string? File { get; init; }

    /// <summary>
    /// A program and its arguments. It gets SHA-512 of the key configuration as one more argument, 128 hexadecimal digits, for the report's data, and writes the evidence to its
    /// standard output within half a minute.
    /// </summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    internal void Validate(SettingsValidation validation) => validation
        .Require(
            Format is null || Plan.IsValidId(Format), "Sealing:Evidence:Format", "this names no format", "Use the name that clients know it by, such as sev-snp.")
        .Require(
            (Format is not null) == ((File is null) == (Command.Count > 0)) && (Format is not null || (File is null && Command.Count == 0)), "Sealing:Evidence:Command",
            "a format needs either a file or a command, and these need a format", "Set Format and one of File and Command.");
}
