using System.CommandLine;
using Tacit.Hosting;

namespace Tacit.Cli;

/// <summary>The flags that several commands share.</summary>
internal sealed class Flags
{
    public Option<string?> Data { get; } = new("--data")
    {
        Description = "Folder that holds the data. Default: $TACIT_HOME, else the platform's data folder.",
        HelpName = "DIR",
        Recursive = true,
    };

    public string DataFolderOf(ParseResult parsed) => DataFolder.Resolve(parsed.GetValue(Data));

    public static Option<bool> Json() => new("--json") { Description = "Print the result as JSON." };

    /// <summary>A flag that takes a secret reference; a value in its place is a usage error that does not repeat it.</summary>
    public static Option<SecretReference?> Secret(string name, string description) => new(name)
    {
        Description = description + " A reference, never the value: env:NAME or file:PATH.",
        HelpName = "REF",
        CustomParser = result =>
        {
            if (SecretReference.TryParse(result.Tokens.Count == 1 ? result.Tokens[0].Value : null, out SecretReference? reference))
            {
                return reference;
            }
            result.AddError($"{name} takes env:NAME or file:PATH, never the secret itself.");
            return null;
        },
    };

    /// <summary>A flag that takes an absolute http or https URL.</summary>
    public static Option<Uri?> Url(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "URL",
        CustomParser = result =>
        {
            if (result.Tokens.Count == 1 && Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https")
            {
                return url;
            }
            result.AddError($"{name} takes a URL that starts with http:// or https://.");
            return null;
        },
    };

    public static Option<int?> Number(string name, string helpName, int least, int most, string description) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result =>
        {
            if (result.Tokens.Count == 1
                && int.TryParse(result.Tokens[0].Value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int number)
                && number >= least && number <= most)
            {
                return number;
            }
            result.AddError($"{name} takes a whole number from {least} to {most}.");
            return null;
        },
    };
}
