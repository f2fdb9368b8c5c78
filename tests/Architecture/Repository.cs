using System.Xml.Linq;

namespace Tacit.Architecture;

/// <summary>A project of ours as its file describes it.</summary>
/// <param name="Name">The folder's name, as in <c>src/Name/Tacit.Name.csproj</c>.</param>
/// <param name="References">Names of the projects it references.</param>
/// <param name="Xml">The whole file.</param>
internal sealed record ProjectFile(string Name, IReadOnlyList<string> References, XElement Xml)
{
    internal static ProjectFile Parse(string name, string xml)
    {
        var root = XElement.Parse(xml);
        return new ProjectFile(name, [.. root.Descendants("ProjectReference").Select(ReferenceName)], root);
    }

    private static string ReferenceName(XElement reference)
    {
        string file = reference.Attribute("Include")!.Value.Replace('\\', '/').Split('/')[^1];
        return Path.GetFileNameWithoutExtension(file)["Tacit.".Length..];
    }
}

/// <summary>The working tree these tests were built from.</summary>
internal static class Repository
{
    private static readonly string[] s_codeFolders = ["src", "tests", "bench"];

    internal static string Root { get; } = FindRoot();

    internal static IReadOnlyList<ProjectFile> SourceProjects { get; } =
        [.. Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
            .Select(path => ProjectFile.Parse(Path.GetFileName(Path.GetDirectoryName(path)!), File.ReadAllText(path)))];

    /// <summary>Our assemblies, compiled; this project references every one, so they lie beside it.</summary>
    internal static IReadOnlyList<CompiledAssembly> Assemblies { get; } =
        [.. SourceProjects.Select(project => CompiledAssembly.Read(
            project.Name,
            Path.Combine(AppContext.BaseDirectory, (project.Xml.Descendants("AssemblyName").FirstOrDefault()?.Value ?? $"Tacit.{project.Name}") + ".dll")))];

    /// <summary>Every file of code, with its path from the root.</summary>
    internal static IEnumerable<(string Path, string[] Lines)> Code() =>
        from folder in s_codeFolders
        let full = Path.Combine(Root, folder)
        where Directory.Exists(full)
        from file in Directory.EnumerateFiles(full, "*.cs", SearchOption.AllDirectories)
        let path = Path.GetRelativePath(Root, file).Replace('\\', '/')
        where !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal)
            && !path.Contains("/node_modules/", StringComparison.Ordinal)
        select (path, File.ReadAllLines(file));

    internal static string ReadText(string path) => File.ReadAllText(Path.Combine(Root, path));

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("These tests run inside the working tree.");
    }
}
