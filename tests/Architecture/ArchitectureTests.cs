namespace Tacit.Architecture;

/// <summary>Law 1 and the habits that a machine can check, on the tree as it is.</summary>
public sealed class ArchitectureTests
{
    [Fact]
    public void Project_files_reference_only_what_the_design_lists() => AssertNone(Rules.ProjectEdges(Repository.SourceProjects));

    [Fact]
    public void Assemblies_reference_only_what_the_design_lists() => AssertNone(Rules.AssemblyEdges(Repository.Assemblies));

    [Fact]
    public void Every_project_is_in_the_design() => AssertNone(Rules.UnlistedProjects(Repository.SourceProjects));

    [Fact]
    public void Issuer_and_gateway_meet_nowhere_but_in_the_command_line() => AssertNone(Rules.MeetingPoints(Repository.SourceProjects));

    [Fact]
    public void No_project_folder_or_namespace_is_a_drawer() =>
        AssertNone(Rules.DrawerNames(
            Repository.SourceProjects.Select(project => project.Name)
                .Concat(Repository.Code().Where(file => file.Path.StartsWith("src/", StringComparison.Ordinal)).Select(file => Path.GetDirectoryName(file.Path)!))
                .Concat(Repository.Assemblies.SelectMany(assembly => assembly.Declared).Where(type => type.StartsWith("Tacit.", StringComparison.Ordinal)))
                .Distinct()));

    [Fact]
    public void Internals_are_open_to_tests_only() => AssertNone(Rules.Friends(Repository.Assemblies));

    [Fact]
    public void No_part_sees_a_type_it_must_never_see() => AssertNone(Rules.SeenTypes(Repository.Assemblies));

    [Fact]
    public void Types_that_must_not_be_seen_exist_under_that_name() =>
        AssertNone(
            from unseen in Design.UnseenTypes
            let declared = Repository.Assemblies.Single(assembly => assembly.Project == unseen.DeclaredIn).Declared
            where !declared.Any(type => type.Split('.')[^1] == unseen.Type)
            select $"{unseen.DeclaredIn} declares no {unseen.Type}: was it renamed?");

    [Fact]
    public void Pure_projects_do_no_IO() => AssertNone(Rules.Impurities(Repository.Assemblies));

    [Fact]
    public void No_assembly_calls_a_banned_symbol() =>
        AssertNone(Rules.BannedCalls(Repository.Assemblies, Repository.ReadText("BannedSymbols.txt").Split('\n')));

    [Fact]
    public void Every_project_keeps_the_common_settings() =>
        AssertNone(Rules.WeakenedSettings(Repository.ReadText("Directory.Build.props"), Repository.SourceProjects));

    [Fact]
    public void Client_connects_in_one_place_only() => AssertNone(Rules.StrayConnections(Repository.Code()));

    [Fact]
    public void No_file_of_code_is_over_500_lines() => AssertNone(Rules.LongFiles(Repository.Code()));

    [Fact]
    public void The_anonymous_sides_logs_are_given_nothing_private() => AssertNone(Rules.TalkativeLogs(Repository.Assemblies));

    [Fact]
    public void Log_lines_are_declared() => AssertNone(Rules.UndeclaredLogs(Repository.Assemblies));

    private static void AssertNone(IEnumerable<string> violations)
    {
        // All of them, in full: Assert.Empty shortens.
        string all = string.Join('\n', violations);
        Assert.True(all.Length == 0, all);
    }
}
