using System.Text.Json.Nodes;

namespace Tacit.Hosting.Tests;

/// <summary>A settings file that a person writes and a program changes.</summary>
public sealed class SettingsFileTests : IDisposable
{
    private readonly string _path = Path.Combine(Directory.CreateTempSubdirectory("tacit-settings").FullName, "app.json");

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Fact]
    public void Change_leaves_everything_else_byte_for_byte()
    {
        const string before = """
            {
                // Where we buy.
                "issuerurl":   "http://127.0.0.1:1", /* old */
                "Mine": { "a": [1, 2,], }, // nobody here knows this
                "Tor": {
                    "Bridges": ["one"], // from a friend
                    "Exits": true,
                },
            }
            """;
        const string after = """
            {
                // Where we buy.
                "issuerurl":   "https://issuer.example", /* old */
                "Mine": { "a": [1, 2,], }, // nobody here knows this
                "Tor": {
                    "Bridges": [
                      "one",
                      "two"
                    ], // from a friend
                    "Exits": true,
                    "Socks": "unix:/run/tor",
                },
                "Transport": "tor+sealed",
            }
            """;

        Assert.Equal(after, Changed(
            before,
            new("IssuerUrl", "https://issuer.example"), new("Tor:Bridges", new JsonArray("one", "two")), new("Tor:Socks", "unix:/run/tor"), new("Transport", "tor+sealed")));
    }

    [Theory]
    [InlineData("{\n  \"A\": 1,\n  \"B\": 2\n}", "A", "{\n  \"B\": 2\n}")]
    [InlineData("{\n  \"A\": 1,\n  \"B\": 2\n}", "B", "{\n  \"A\": 1\n}")]
    [InlineData("{\n  \"A\": 1,\n}", "a", "{}")]
    [InlineData("{ \"A\": { \"B\": 1, \"C\": 2 } }", "A:B", "{ \"A\": { \"C\": 2 } }")]
    [InlineData("{ \"A\": 1 }", "Z", "{ \"A\": 1 }")]
    [InlineData("{ \"A\": 1 }", "A:B", "{ \"A\": 1 }")]
    public void Member_is_taken_out(string before, string key, string after) => Assert.Equal(after, Changed(before, new SettingsChange(key, null)));

    [Theory]
    [InlineData("{}", "{\n  \"A\": {\n    \"B\": 1\n  }\n}")]
    [InlineData("{ \"X\": 1 }", "{ \"X\": 1, \"A\": {\n    \"B\": 1\n  } }")]
    [InlineData("\uFEFF{\n\t\"A\": null\n}\n", "\uFEFF{\n\t\"A\": {\n\t  \"B\": 1\n\t}\n}\n")]
    public void Nested_member_is_made_with_what_holds_it(string before, string after) => Assert.Equal(after, Changed(before, new SettingsChange("A:B", 1)));

    [Fact]
    public void Change_to_what_is_there_writes_nothing()
    {
        Changed("{ \"A\" : [ 1,2 ] }", new SettingsChange("A", new JsonArray(1, 2)));
        DateTime written = File.GetLastWriteTimeUtc(_path);

        Assert.Equal("{ \"A\" : [ 1,2 ] }", File.ReadAllText(_path));
        SettingsFile.Change(_path, [new("A", new JsonArray(1, 2))]);
        Assert.Equal(written, File.GetLastWriteTimeUtc(_path));
    }

    [Fact]
    public void File_that_was_not_there_is_its_owners_only()
    {
        SettingsFile.Change(_path, [new("A", 1)]);

        Assert.Equal("{\n  \"A\": 1\n}\n", File.ReadAllText(_path));
        Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(_path) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("{ \"A\": ")]
    [InlineData("")]
    public void File_that_is_no_object_is_left_alone(string before)
    {
        SettingsException error = Assert.Throws<SettingsException>(() => Changed(before, new SettingsChange("A", 1)));

        Assert.Equal(_path, error.Problems[0].Key);
        Assert.Equal(before, File.ReadAllText(_path));
    }

    private string Changed(string before, params SettingsChange[] changes)
    {
        File.WriteAllText(_path, before);
        SettingsFile.Change(_path, changes);
        return System.Text.Encoding.UTF8.GetString(File.ReadAllBytes(_path));
    }
}
