namespace Tacit.Client.Tests.Support;

/// <summary>What a <c>kill -9</c> leaves behind: the files of a data directory as they are at this moment, in another folder.</summary>
public static class Crash
{
    /// <summary>Copies the files; the lock stays with the process that "died".</summary>
    public static void Snapshot(string dataDirectory, string into)
    {
        Directory.CreateDirectory(into);
        foreach (string file in Directory.GetFiles(dataDirectory))
        {
            if (!file.EndsWith(".lock", StringComparison.Ordinal) && !file.EndsWith(".sock", StringComparison.Ordinal))
            {
                using FileStream from = new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                using FileStream to = File.Create(Path.Combine(into, Path.GetFileName(file)));
                from.CopyTo(to);
            }
        }
    }
}
