namespace Tacit.Client.Tests.Support;

/// <summary>Where the published vectors are.</summary>
internal static class TestVectors
{
    public static string Folder { get; } = Environment.GetEnvironmentVariable("TACIT_VECTORS") ?? FindBesideRepository();

    private static string FindBesideRepository()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
            {
                return Path.Combine(folder.FullName, "..", "shared", "vectors");
            }
        }
        return "";
    }
}
