using System.Xml.Linq;

namespace Tacit.Architecture;

/// <summary>The checks themselves: each takes what it judges and returns what is wrong, so that tests can show it a violation.</summary>
internal static class Rules
{
    internal static IEnumerable<string> ProjectEdges(IEnumerable<ProjectFile> projects) =>
        from project in projects
        from reference in project.References
        where !IsAllowed(project.Name, reference)
        select $"{project.Name}'s project file references {reference}";

    internal static IEnumerable<string> AssemblyEdges(IEnumerable<CompiledAssembly> assemblies) =>
        from assembly in assemblies
        from reference in assembly.References
        where reference.StartsWith("Tacit.", StringComparison.Ordinal) || reference == "tacit"
        let name = reference == "tacit" ? Design.Composer : reference["Tacit.".Length..]
        where !IsAllowed(assembly.Project, name)
        select $"{assembly.Project}'s assembly references {name}";

    internal static IEnumerable<string> UnlistedProjects(IEnumerable<ProjectFile> projects) =>
        from project in projects
        where !Design.References.ContainsKey(project.Name)
        select $"{project.Name} is not in the design's list";

    /// <summary>Law 1: nothing but the composer may reach both sides, over whatever path.</summary>
    internal static IEnumerable<string> MeetingPoints(IReadOnlyList<ProjectFile> projects) =>
        from project in projects
        where project.Name != Design.Composer
        let reached = Reach(projects, project.Name)
        where reached.Contains("Issuer") && reached.Contains("Gateway")
        select $"{project.Name} reaches both Issuer and Gateway";

    internal static IEnumerable<string> DrawerNames(IEnumerable<string> names) =>
        from name in names
        where name.Split('.', '/').Any(part => Design.BannedNames.Contains(part, StringComparer.OrdinalIgnoreCase))
        select $"{name} says nothing about what is in it";

    /// <summary>Internals are open to tests and benchmarks only: a friend is an edge that no project file shows.</summary>
    internal static IEnumerable<string> Friends(IEnumerable<CompiledAssembly> assemblies) =>
        from assembly in assemblies
        from friend in assembly.Friends
        where !friend.EndsWith(".Tests", StringComparison.Ordinal) && friend is not ("Tacit.EndToEnd" or "Tacit.Browser" or "Tacit.Bench")
        select $"{assembly.Project} opens its internals to {friend}";

    internal static IEnumerable<string> SeenTypes(IEnumerable<CompiledAssembly> assemblies) =>
        from assembly in assemblies
        from unseen in Design.UnseenTypes
        where unseen.Project == assembly.Project
        from type in assembly.Types
        where type.Assembly == "Tacit." + unseen.DeclaredIn && type.FullName.Split('.')[^1] == unseen.Type
        select $"{assembly.Project} sees {type.FullName}";

    internal static IEnumerable<string> Impurities(IEnumerable<CompiledAssembly> assemblies) =>
        from assembly in assemblies
        where Design.Impure.ContainsKey(assembly.Project)
        from type in assembly.Types
        where Design.Impure[assembly.Project].Any(banned => banned.EndsWith('.') ? type.FullName.StartsWith(banned, StringComparison.Ordinal) : type.FullName == banned)
        select $"{assembly.Project} uses {type.FullName}";

    /// <summary>
    /// What the compiled code calls, against <c>BannedSymbols.txt</c>. The analyzer reports the line earlier, but a pragma silences it; nothing silences this.
    /// Overloads are told apart by their number of parameters.
    /// </summary>
    internal static IEnumerable<string> BannedCalls(IEnumerable<CompiledAssembly> assemblies, IReadOnlyList<string> bannedSymbols) =>
        from assembly in assemblies
        from line in bannedSymbols
        let symbol = line.Split(';')[0]
        where symbol.Length > 0 && !Design.BannedSymbolExceptions.Contains((assembly.Project, symbol)) && Calls(assembly, symbol)
        select $"{assembly.Project} uses {symbol}";

    /// <summary>The switches every project must have, set once for all and weakened nowhere.</summary>
    internal static IEnumerable<string> WeakenedSettings(string directoryBuildProps, IEnumerable<ProjectFile> projects)
    {
        var props = XElement.Parse(directoryBuildProps);
        foreach (string setting in new[] { "DisableTransitiveProjectReferences", "TreatWarningsAsErrors", "CheckForOverflowUnderflow", "RestorePackagesWithLockFile" })
        {
            if (props.Descendants(setting).SingleOrDefault()?.Value != "true")
            {
                yield return $"Directory.Build.props does not set {setting}";
            }
        }

        if (!props.Descendants("AdditionalFiles").Any(item => item.Attribute("Include")!.Value.EndsWith("BannedSymbols.txt", StringComparison.Ordinal))
            || !props.Descendants("PackageReference").Any(item => item.Attribute("Include")!.Value == "Microsoft.CodeAnalysis.BannedApiAnalyzers"))
        {
            yield return "Directory.Build.props does not switch the banned symbols on";
        }

        string[] fixedOnes =
        [
            "DisableTransitiveProjectReferences", "TreatWarningsAsErrors", "CheckForOverflowUnderflow", "RestorePackagesWithLockFile", "Nullable", "NoWarn",
            "AnalysisLevel", "RunAnalyzers", "WarningsNotAsErrors",
        ];
        foreach (ProjectFile project in projects)
        {
            foreach (XElement element in project.Xml.Descendants())
            {
                // The one import builds web pages into a project.
                bool imports = element.Name.LocalName == "Import" && element.Attribute("Project")?.Value != "../../build/Web.targets";
                if (fixedOnes.Contains(element.Name.LocalName, StringComparer.Ordinal) || element.Attribute("Remove") is not null || imports)
                {
                    yield return $"{project.Name}'s project file changes {element.Name.LocalName}";
                }
            }
        }
    }

    internal static IEnumerable<string> LongFiles(IEnumerable<(string Path, string[] Lines)> code, int limit = 500) =>
        from file in code
        where file.Lines.Length > limit
        select $"{file.Path} has {file.Lines.Length} lines";

    /// <summary>The client makes connections in one place, where it is decided whether Tor makes them.</summary>
    internal static IEnumerable<string> StrayConnections(IEnumerable<(string Path, string[] Lines)> code) =>
        from file in code
        where (file.Path.StartsWith("src/Client/", StringComparison.Ordinal) || file.Path.StartsWith("src/App/", StringComparison.Ordinal)) && file.Path != Design.ConnectingFile
        from line in file.Lines
        from call in Design.ConnectingCalls
        where line.Contains(call, StringComparison.Ordinal)
        select $"{file.Path}: {line.Trim()}";

    /// <summary>Law 4 for logs: what the anonymous side's log methods may be handed.</summary>
    internal static IEnumerable<string> TalkativeLogs(IReadOnlyList<CompiledAssembly> assemblies)
    {
        HashSet<string> harmless = [.. Design.LoggableTypes, .. assemblies.SelectMany(assembly => assembly.Enumerations)];
        return
            from assembly in assemblies
            where Design.AnonymousSide.Contains(assembly.Project, StringComparer.Ordinal)
            from method in assembly.LogMethods
            from parameter in method.Parameters
            where !harmless.Contains(parameter.Type)
                || (parameter.Type == "System.String" && Design.UnloggableNames.Any(name => parameter.Name.Contains(name, StringComparison.OrdinalIgnoreCase)))
            select $"{assembly.Project}'s log method {method.Name} takes {parameter.Type} {parameter.Name}";
    }

    /// <summary>Interpolated logging builds a string before anyone asks what is in it; log methods are declared.</summary>
    internal static IEnumerable<string> UndeclaredLogs(IEnumerable<CompiledAssembly> assemblies) =>
        from assembly in assemblies
        from method in assembly.Methods
        where method.Type == "Microsoft.Extensions.Logging.LoggerExtensions" && method.Name.StartsWith("Log", StringComparison.Ordinal)
        select $"{assembly.Project} calls {method.Name} instead of a [LoggerMessage] method";

    private static bool IsAllowed(string from, string to) =>
        Design.References.TryGetValue(from, out string[]? allowed) && allowed.Contains(to, StringComparer.Ordinal);

    private static HashSet<string> Reach(IReadOnlyList<ProjectFile> projects, string from)
    {
        var reached = new HashSet<string>(StringComparer.Ordinal) { from };
        var next = new Queue<string>([from]);
        while (next.TryDequeue(out string? name))
        {
            foreach (string reference in projects.Where(project => project.Name == name).SelectMany(project => project.References).Where(reached.Add))
            {
                next.Enqueue(reference);
            }
        }

        return reached;
    }

    private static bool Calls(CompiledAssembly assembly, string symbol)
    {
        string name = symbol[2..];
        if (symbol[0] == 'T')
        {
            return assembly.Types.Any(type => type.FullName == name);
        }

        int parameters = name.IndexOf('(', StringComparison.Ordinal) is var open and >= 0 ? name[open..].Count(c => c == ',') + 1 : 0;
        string full = name.Split('(')[0];
        int dot = full.LastIndexOf('.');
        string member = symbol[0] == 'P' ? "get_" + full[(dot + 1)..] : full[(dot + 1)..].Replace('#', '.');
        return assembly.Methods.Any(method => method.Type == full[..dot] && method.Name == member && method.Parameters == parameters);
    }
}
