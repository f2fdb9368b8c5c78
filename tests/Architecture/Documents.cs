using System.Text.RegularExpressions;

namespace Tacit.Architecture;

/// <summary>What the pages must hold to: links lead somewhere, decisions have one number each, and a control names the tests that show it.</summary>
internal static partial class Documents
{
    private static readonly string[] s_readmes = ["", "bench", "sdk/typescript"];

    /// <summary>Every page, with its path from the root.</summary>
    internal static IEnumerable<(string Path, string Text)> Pages() =>
        from file in Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md", SearchOption.AllDirectories)
            .Concat(s_readmes.Select(folder => Path.Combine(Repository.Root, folder, "README.md")))
        select (Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'), File.ReadAllText(file));

    /// <summary>Relative links of a page to a file that is not there, or to a heading that its page does not have.</summary>
    /// <param name="path">The page's path from the root.</param>
    /// <param name="text">Its text.</param>
    /// <param name="read">Text of the file at a path from the root, empty for a folder; null where nothing is.</param>
    internal static IEnumerable<string> BrokenLinks(string path, string text, Func<string, string?> read)
    {
        foreach (Match link in LinkPattern().Matches(text))
        {
            string[] parts = link.Groups[1].Value.Split('#', 2);
            string target = parts[0].Length == 0 ? path : Normal(path, parts[0]);
            string? found = read(target);
            if (found is null)
            {
                yield return $"{path}: {link.Groups[1].Value} leads nowhere";
            }
            else if (parts.Length == 2 && !HeadingPattern().Matches(found).Any(heading => Anchor(heading.Groups[1].Value) == parts[1]))
            {
                yield return $"{path}: {target} has no heading for #{parts[1]}";
            }
        }
    }

    /// <summary>What is wrong with the numbers of decisions: twice the same, a gap, or another in the file's name than in its title.</summary>
    internal static IEnumerable<string> DecisionNumbers(IEnumerable<(string Name, string Text)> decisions)
    {
        int expected = 0;
        foreach ((string name, string text) in decisions.OrderBy(decision => decision.Name, StringComparer.Ordinal))
        {
            expected++;
            if (!name.StartsWith($"{expected:0000}-", StringComparison.Ordinal))
            {
                yield return $"{name}: {expected:0000} is next";
                expected = int.TryParse(name.Split('-')[0], out int number) ? number : expected;
            }
            if (!text.StartsWith($"# {expected}. ", StringComparison.Ordinal))
            {
                yield return $"{name}: its title has another number";
            }
        }
    }

    /// <summary>Mentions of a decision (<c>adr/0004</c>) that there is not, or whose link leads to another.</summary>
    internal static IEnumerable<string> UnknownDecisions(string path, string text, IReadOnlySet<string> numbers) =>
        from Match mention in DecisionPattern().Matches(text)
        where !numbers.Contains(mention.Groups[1].Value) || (mention.Groups[2].Success && mention.Groups[2].Value != mention.Groups[1].Value)
        select $"{path}: {mention.Value}";

    /// <summary>
    /// What is wrong with the tests that the threat model names, in the form <c>Gateway/ReplayGuardTests</c> between backticks: a row of a table of controls without one,
    /// or one that no file of tests has.
    /// </summary>
    /// <param name="text">The threat model.</param>
    /// <param name="holdsTests">Whether a project of tests has a class of that name that holds tests.</param>
    internal static IEnumerable<string> ControlTests(string text, Func<string, string, bool> holdsTests)
    {
        foreach (Match name in TestPattern().Matches(text).Where(name => !holdsTests(name.Groups[1].Value, name.Groups[2].Value)))
        {
            yield return $"{name.Groups[1].Value} has no tests {name.Groups[2].Value}";
        }
        bool controls = false;
        foreach (string line in text.Split('\n'))
        {
            controls = line.StartsWith('|') && (controls || ShownByPattern().IsMatch(line));
            if (controls && !ShownByPattern().IsMatch(line) && !line.StartsWith("|---", StringComparison.Ordinal) && !TestPattern().IsMatch(line.Split('|')[^2]))
            {
                yield return $"no test shows this: {line}";
            }
        }
    }

    /// <summary>A heading's anchor as the usual sites make it.</summary>
    private static string Anchor(string heading) =>
        string.Concat(heading.Trim().ToLowerInvariant().Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_')).Replace(' ', '-');

    private static string Normal(string page, string relative)
    {
        Uri at = new(new Uri("file:///"), page);
        return Uri.UnescapeDataString(new Uri(at, relative).AbsolutePath).TrimStart('/');
    }

    [GeneratedRegex(@"\]\((?!https?:|mailto:)([^)\s]+)\)")]
    private static partial Regex LinkPattern();

    [GeneratedRegex(@"^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex HeadingPattern();

    [GeneratedRegex(@"adr/(\d{4})(?:\]\((?:\.\./)*(?:docs/)?(?:adr/)?(\d{4})-)?")]
    private static partial Regex DecisionPattern();

    [GeneratedRegex(@"`([A-Z][A-Za-z]+)/([A-Z][A-Za-z0-9]+Tests)`")]
    private static partial Regex TestPattern();

    [GeneratedRegex(@"\| shown by \|\s*$")]
    private static partial Regex ShownByPattern();
}
