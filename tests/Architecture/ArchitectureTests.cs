namespace Tacit.Architecture;

/// <summary>Law 1 and the habits that a machine can check, on the tree as it is.</summary>
public sealed class ArchitectureTests
{
    [Fact]
    public void Project_files_reference_only_what_the_design_lists() => Assert.Empty(Rules.ProjectEdges(Repository.SourceProjects));

    [Fact]
    public void Assemblies_reference_only_what_the_design_lists() => Assert.Empty(Rules.AssemblyEdges(Repository.Assemblies));

    [Fact]
    public void Every_project_is_in_the_design() => Assert.Empty(Rules.UnlistedProjects(Repository.SourceProjects));

    [Fact]
    public void Issuer_and_gateway_meet_nowhere_but_in_the_command_line() => Assert.Empty(Rules.MeetingPoints(Repository.SourceProjects));

    [Fact]
    public void No_project_folder_or_namespace_is_a_drawer() =>
        Assert.Empty(Rules.DrawerNames(
            Repository.SourceProjects.Select(project => project.Name)
                .Concat(Repository.Code().Where(file => file.Path.StartsWith("src/", StringComparison.Ordinal)).Select(file => Path.GetDirectoryName(file.Path)!))
                .Concat(Repository.Assemblies.SelectMany(assembly => assembly.Declared).Where(type => type.StartsWith("Tacit.", StringComparison.Ordinal)))
                .Distinct()));

    [Fact]
    public void Internals_are_open_to_tests_only() => Assert.Empty(Rules.Friends(Repository.Assemblies));

    [Fact]
    public void No_part_sees_a_type_it_must_never_see() => Assert.Empty(Rules.SeenTypes(Repository.Assemblies));

    [Fact]
    public void Pure_projects_do_no_IO() => Assert.Empty(Rules.Impurities(Repository.Assemblies));

    [Fact]
    public void No_assembly_calls_a_banned_symbol() =>
        Assert.Empty(Rules.BannedCalls(Repository.Assemblies, Repository.ReadText("BannedSymbols.txt").Split('\n')));

    [Fact]
    public void Every_project_keeps_the_common_settings() =>
        Assert.Empty(Rules.WeakenedSettings(Repository.ReadText("Directory.Build.props"), Repository.SourceProjects));

    [Fact]
    public void No_file_of_code_is_over_500_lines() => Assert.Empty(Rules.LongFiles(Repository.Code()));

    [Fact]
    public void The_anonymous_sides_logs_are_given_nothing_private() => Assert.Empty(Rules.TalkativeLogs(Repository.Assemblies));

    [Fact]
    public void Log_lines_are_declared() => Assert.Empty(Rules.UndeclaredLogs(Repository.Assemblies));
}
