namespace Tacit.Architecture;

/// <summary>The pages as they are, and each of their rules shown something that breaks it.</summary>
public sealed class DocumentsTests
{
    [Fact]
    public void Every_relative_link_leads_somewhere() =>
        Assert.Empty(Documents.Pages().SelectMany(page => Documents.BrokenLinks(page.Path, page.Text, Read)));

    [Fact]
    public void Link_to_no_file_or_no_heading_is_found()
    {
        Func<string, string?> read = path => path switch { "docs/b.md" => "# One thing: `two`\n", "docs/adr" => "", _ => null };
        Assert.Empty(Documents.BrokenLinks("docs/a.md", "[b](b.md) [h](b.md#one-thing-two) [f](adr/) [w](https://x.example/y)", Slashless));
        Assert.Single(Documents.BrokenLinks("docs/a.md", "[c](c.md)", read));
        Assert.Single(Documents.BrokenLinks("docs/a.md", "[h](b.md#three)", read));
        Assert.Single(Documents.BrokenLinks("README.md", "[b](b.md)", read));

        string? Slashless(string path) => read(path.TrimEnd('/'));
    }

    [Fact]
    public void Decisions_have_one_number_each() => Assert.Empty(Documents.DecisionNumbers(Decisions()));

    [Theory]
    [InlineData("0001-a.md:# 1. A", "0001-b.md:# 1. B")]
    [InlineData("0001-a.md:# 1. A", "0003-b.md:# 3. B")]
    [InlineData("0001-a.md:# 1. A", "0002-b.md:# 3. B")]
    public void Decision_with_a_wrong_number_is_found(params string[] decisions) =>
        Assert.Single(Documents.DecisionNumbers(decisions.Select(decision => (decision.Split(':')[0], decision.Split(':')[1]))));

    [Fact]
    public void Decisions_are_mentioned_by_their_numbers()
    {
        HashSet<string> numbers = [.. Decisions().Select(decision => decision.Name[..4])];
        Assert.Empty(Documents.Pages().Concat(Repository.Code().Where(file => !file.Path.StartsWith("tests/Architecture/", StringComparison.Ordinal))
                .Select(file => (file.Path, Text: string.Join('\n', file.Lines))))
            .SelectMany(page => Documents.UnknownDecisions(page.Path, page.Text, numbers)));
        Assert.Single(Documents.UnknownDecisions("a.md", "[adr/0001](adr/0002-x.md)", numbers));
        Assert.Single(Documents.UnknownDecisions("a.cs", "docs/adr/9999", numbers));
    }

    [Fact]
    public void Every_control_of_the_threat_model_names_tests_that_are_there() =>
        Assert.Empty(Documents.ControlTests(Repository.ReadText("docs/threat-model.md"), HoldsTests));

    [Theory]
    [InlineData("| claim | shown by |\n|---|---|\n| a | `Gateway/NoSuchTests` |\n")]
    [InlineData("| claim | shown by |\n|---|---|\n| a | hope |\n")]
    [InlineData("| claim | shown by |\n|---|---|\n| `Gateway/WorkTests` | hope |\n")]
    [InlineData("Shown by `Gateway/TestGatewayTests`.\n")]
    public void Control_without_a_test_is_found(string text) => Assert.Single(Documents.ControlTests(text, HoldsTests));

    private static bool HoldsTests(string project, string type) =>
        Repository.Code().Any(file =>
            (file.Path.StartsWith($"tests/{project}.Tests/", StringComparison.Ordinal) || file.Path.StartsWith($"tests/{project}/", StringComparison.Ordinal))
            && file.Path.EndsWith($"/{type}.cs", StringComparison.Ordinal)
            && file.Lines.Any(line => line.Contains("[Fact", StringComparison.Ordinal) || line.Contains("[Theory", StringComparison.Ordinal)));

    private static (string Name, string Text)[] Decisions() =>
        [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs", "adr"), "*.md").Select(file => (Path.GetFileName(file), File.ReadAllText(file)))];

    private static string? Read(string path)
    {
        string full = Path.Combine(Repository.Root, path);
        return File.Exists(full) ? File.ReadAllText(full) : Directory.Exists(full) ? "" : null;
    }
}
