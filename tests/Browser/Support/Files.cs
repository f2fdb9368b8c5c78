namespace Tacit.Browser.Support;

/// <summary>What lies on the disk.</summary>
internal static class Files
{
    /// <summary>Whether any file of a folder has these bytes in it.</summary>
    public static bool Hold(string folder, ReadOnlySpan<byte> bytes)
    {
        foreach (string file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(file => Path.GetExtension(file) is not (".sock" or ".lock")))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var content = new MemoryStream();
            stream.CopyTo(content);
            if (content.GetBuffer().AsSpan(0, (int)content.Length).IndexOf(bytes) >= 0)
            {
                return true;
            }
        }

        return false;
    }
}
