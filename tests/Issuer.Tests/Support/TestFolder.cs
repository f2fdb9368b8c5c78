using Tacit.Hosting;

namespace Tacit.Tests;

/// <summary>A data folder with a key file beside it, gone at the end.</summary>
public sealed class TestFolder : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("tacit-").FullName;

    public TestFolder()
    {
        Data = Path.Combine(_root, "d");
        Directory.CreateDirectory(Data);
        KeyFile = Secret("key", "0123456789abcdef0123456789abcdef0123456789abcdef");
    }

    public string Data { get; }

    public SecretReference KeyFile { get; }

    /// <summary>A path beside the data folder.</summary>
    public string Beside(string name) => Path.Combine(_root, name);

    /// <summary>Writes a secret to a file of its own.</summary>
    public SecretReference Secret(string name, string value)
    {
        string path = Path.Combine(_root, name);
        File.WriteAllText(path, value);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return SecretReference.FromFile(path);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
