using System.Text.Json;

namespace Tacit.Crypto.Tests;

/// <summary>Published test vectors, kept beside the repository or where TACIT_VECTORS says.</summary>
internal static class Vectors
{
    internal static IReadOnlyList<JsonElement> Read(string path) => [.. ReadRoot(path).GetProperty("vectors").EnumerateArray()];

    internal static JsonElement ReadRoot(string path)
    {
        string file = Path.Combine(Folder(), path);
        Assert.SkipUnless(File.Exists(file), $"No test vectors at {file}.");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
        return document.RootElement.Clone();
    }

    internal static byte[] Bytes(this JsonElement vector, string name) =>
        Convert.FromHexString(vector.GetProperty(name).GetString()!);

    internal static string Folder()
    {
        if (Environment.GetEnvironmentVariable("TACIT_VECTORS") is { Length: > 0 } configured)
        {
            return configured;
        }

        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
        {
            folder = folder.Parent;
        }

        return folder is null ? "vectors" : Path.GetFullPath(Path.Combine(folder.FullName, "../shared/vectors"));
    }
}
