using System.Collections;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tacit.Hosting.Tests;

internal sealed record SampleProvider
{
    public string? BaseUrl { get; init; }

    public IReadOnlyList<string> Models { get; init; } = [];

    public SecretReference? Key { get; init; }

    public int Weight { get; init; } = 7;
}

internal sealed record SampleOptions : IValidatedSettings
{
    public ListenAddress Listen { get; init; } = ListenAddress.Loopback(8226);

    public int MaxConnections { get; init; } = 10;

    public bool Fast { get; init; }

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    public IReadOnlyList<SampleProvider> Providers { get; init; } = [];

    public void Validate(SettingsValidation validation) => validation.RequireRange(MaxConnections, 1, 1000, nameof(MaxConnections));
}

[JsonSerializable(typeof(SampleOptions))]
internal sealed partial class SampleJson : JsonSerializerContext;

public sealed class SettingsTests
{
    private static SampleOptions Load(SettingsLoader loader) => loader.Load(SampleJson.Default.SampleOptions);

    private static SettingsProblem Problem(SettingsLoader loader) => Assert.Single(Assert.Throws<SettingsException>(() => Load(loader)).Problems);

    private static Hashtable Environment(params (string Name, string Value)[] variables)
    {
        Hashtable table = [];
        foreach ((string name, string value) in variables)
        {
            table[name] = value;
        }
        return table;
    }

    [Fact]
    public void Nothing_given_means_defaults()
    {
        SampleOptions options = Load(new SettingsLoader().AddFile(null).AddEnvironment("Sample", Environment()));
        Assert.Equal(ListenAddress.Loopback(8226), options.Listen);
        Assert.Equal(10, options.MaxConnections);
    }

    [Fact]
    public void Later_source_wins_and_others_stay()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["c.json"], """
            { // a comment
              "listen": "127.0.0.1:1", "maxconnections": 20, "fast": true, "timeout": "00:00:09",
              "providers": [ { "baseUrl": "http://a", "models": ["x"] }, { "baseUrl": "http://b", "key": "env:B" } ], }
            """);
        SampleOptions options = Load(new SettingsLoader()
            .AddFile(folder["c.json"])
            .AddEnvironment("Sample", Environment(("TACIT__Sample__MaxConnections", "30"), ("tacit__sample__providers__1__models", "y, z"), ("TACIT__Other__X", "1")))
            .AddFlag("Listen", "unix:/tmp/x.sock", "--listen").AddFlag("Fast", null, "--fast"));
        Assert.Equal("unix:/tmp/x.sock", options.Listen.ToString());
        Assert.Equal((30, true, TimeSpan.FromSeconds(9)), (options.MaxConnections, options.Fast, options.Timeout));
        Assert.Equal(["http://a", "http://b"], options.Providers.Select(p => p.BaseUrl));
        Assert.Equal(["y", "z"], options.Providers[1].Models);
        Assert.Equal([7, 7], options.Providers.Select(p => p.Weight));
        Assert.Equal("env:B", options.Providers[1].Key!.ToString());
    }

    [Theory]
    [InlineData("""{ "Nothing": 1 }""", "Nothing")]
    [InlineData("""{ "Providers": [ { "Url": "x" } ] }""", "Providers:0:Url")]
    [InlineData("""{ "MaxConnections": 5000 }""", "MaxConnections")]
    [InlineData("""{ "MaxConnections": "many" }""", "MaxConnections")]
    [InlineData("""{ "MaxConnections": true }""", "MaxConnections")]
    [InlineData("""{ "MaxConnections": 99999999999999 }""", "MaxConnections")]
    [InlineData("""{ "Listen": "nowhere" }""", "Listen")]
    [InlineData("""{ "Listen": { "a": 1 } }""", "Listen")]
    [InlineData("""{ "Providers": 3 }""", "Providers")]
    [InlineData("""{ "Providers": [ { "Key": "sk-a-real-secret" } ] }""", "Providers:0:Key")]
    [InlineData("""{ "Timeout": "soon" }""", "Timeout")]
    [InlineData("""{ "Fast": true, "Fast": false }""", "--config")]
    [InlineData("""{ "Fast": """, "--config")]
    [InlineData("""[]""", "--config")]
    public void Wrong_setting_names_its_key_and_never_its_value(string json, string key)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["c.json"], json);
        SettingsProblem problem = Problem(new SettingsLoader().AddFile(folder["c.json"]));
        Assert.StartsWith(key, problem.Key, StringComparison.Ordinal);
        Assert.NotEmpty(problem.Fix);
        Assert.DoesNotContain("sk-a-real-secret", problem.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_variable_is_named_as_it_was_set()
    {
        SettingsProblem problem = Problem(new SettingsLoader().AddEnvironment("Sample", Environment(("TACIT__Sample__MaxConnectons", "3"))));
        Assert.Contains("TACIT__Sample__MaxConnectons", problem.Key, StringComparison.Ordinal);
        Assert.Contains("MaxConnections", problem.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void Section_loads_by_itself_and_names_its_keys_in_full()
    {
        SettingsLoader loader = new SettingsLoader().AddEnvironment(
            "Sample", Environment(("TACIT__Sample__Inner__MaxConnections", "5000"), ("TACIT__Sample__MaxConnections", "7")));
        SettingsLoader inner = loader.TakeSection("inner");
        Assert.Equal(7, Load(loader).MaxConnections);
        SettingsProblem problem = Problem(inner);
        Assert.Equal("inner:MaxConnections (TACIT__Sample__Inner__MaxConnections)", problem.Key);
        Assert.True(loader.TakeSection("none").IsEmpty);
    }

    [Fact]
    public void Every_problem_is_reported_at_once()
    {
        SettingsException e = Assert.Throws<SettingsException>(() => Load(new SettingsLoader()
            .AddEnvironment("Sample", Environment(("TACIT__Sample__A", "3"), ("TACIT__Sample__B", "3"), ("TACIT__Sample__Fast", "perhaps")))));
        Assert.Equal(3, e.Problems.Count);
    }

    [Fact]
    public void Missing_file_is_a_problem_of_config() => Assert.Equal("--config", Problem(new SettingsLoader().AddFile("/nonexistent/c.json")).Key);

    [Theory]
    [InlineData("127.0.0.1:0", true)]
    [InlineData("localhost:80", true)]
    [InlineData("[::1]:80", true)]
    [InlineData("0.0.0.0:65535", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.0.0.1:65536", false)]
    [InlineData("::1", false)]
    [InlineData("example.org:80", false)]
    [InlineData("unix:", false)]
    [InlineData(":80", false)]
    [InlineData("", false)]
    public void Listen_address_takes_numeric_addresses_with_a_port(string text, bool good) => Assert.Equal(good, ListenAddress.TryParse(text, out _));
}

public sealed class SecretTests
{
    [Fact]
    public void File_secret_loses_one_line_ending()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["k"], "s3cret\r\n");
        using SecretBytes secret = SecretReference.Parse("file:" + folder["k"]).Load("Key");
        Assert.Equal("s3cret"u8.ToArray(), secret.Span.ToArray());
    }

    [Fact]
    public void File_secret_of_random_bytes_keeps_them_all()
    {
        using TemporaryFolder folder = new();
        byte[] random = [0x00, 0x81, 0xff, .. "\r\n"u8];
        File.WriteAllBytes(folder["k"], random);
        using SecretBytes secret = SecretReference.FromFile(folder["k"]).Load("Key");
        Assert.Equal(random, secret.Span.ToArray());
    }

    [Fact]
    public void Environment_secret_is_read()
    {
        System.Environment.SetEnvironmentVariable("TACIT_TEST_SECRET", "value");
        using SecretBytes secret = SecretReference.Parse("env:TACIT_TEST_SECRET").Load("Key");
        Assert.Equal("value"u8.ToArray(), secret.Span.ToArray());
    }

    [Fact]
    public void Secret_that_others_can_change_is_refused()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder["k"], "s");
        File.SetUnixFileMode(folder["k"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        Assert.Throws<SettingsException>(() => SecretReference.FromFile(folder["k"]).Load("Key"));
    }

    [Theory]
    [InlineData("env:TACIT_TEST_NOT_SET")]
    [InlineData("file:/nonexistent/key")]
    [InlineData("file:/dev/zero")]
    [InlineData("file:/dev/null")]
    [InlineData("file:/tmp")]
    public void Unusable_secret_names_its_setting_and_the_fix(string reference)
    {
        SettingsProblem problem = Assert.Single(Assert.Throws<SettingsException>(() => SecretReference.Parse(reference).Load("Signer:Passphrase")).Problems);
        Assert.Equal("Signer:Passphrase", problem.Key);
        Assert.NotEmpty(problem.Fix);
    }

    [Theory]
    [InlineData("hunter2")]
    [InlineData("env:")]
    [InlineData("file:")]
    [InlineData("env:NAME=hunter2")]
    public void Value_in_place_of_a_reference_is_refused_and_not_repeated(string text)
    {
        FormatException e = Assert.Throws<FormatException>(() => SecretReference.Parse(text));
        Assert.DoesNotContain("hunter2", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wiped_secret_cannot_be_read_and_its_bytes_are_gone()
    {
        SecretBytes secret = new("value"u8);
        ReadOnlyMemory<byte> memory = secret.Memory;
        secret.Dispose();
        Assert.Throws<ObjectDisposedException>(() => secret.Span.Length);
        Assert.True(memory.Span.IndexOfAnyExcept((byte)0) < 0);
    }

    [Fact]
    public void Scrubbed_value_prints_as_such_however_it_is_formatted()
    {
        Scrubbed<int> value = new(4711);
        Assert.Equal("[scrubbed] [scrubbed] [scrubbed]", $"{value} {value:X}" + " " + value.ToString());
        Assert.Equal("\"[scrubbed]\"", JsonSerializer.Serialize(value.ToString()));
        Assert.Equal(4711, value.Reveal());
    }

    [Fact]
    public void Data_folder_is_made_for_its_owner_only()
    {
        using TemporaryFolder folder = new();
        string path = folder["a/b"];
        DataFolder.Create(path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
        File.WriteAllText(folder["file"], "");
        Assert.Throws<SettingsException>(() => DataFolder.Create(folder["file"]));
    }
}

public sealed class LineLogTests
{
    [Fact]
    public void Entry_is_one_line_without_the_message_of_its_exception()
    {
        using MemoryStream output = new();
        using LineLog log = new(output, Microsoft.Extensions.Logging.LogLevel.Information, TimeProvider.System);
        Microsoft.Extensions.Logging.ILogger logger = log.CreateLogger("Tacit.Test");
        logger.Log(Microsoft.Extensions.Logging.LogLevel.Error, default, "two\nlines", new IOException("canary", new InvalidOperationException("canary")), (s, e) => s + e?.Message);
        logger.Log(Microsoft.Extensions.Logging.LogLevel.Debug, default, "below", null, (s, _) => s);
        string text = Encoding.UTF8.GetString(output.ToArray());
        Assert.Equal(1, text.Count(c => c == '\n'));
        Assert.EndsWith("error Tacit.Test: two lines (System.IO.IOException < System.InvalidOperationException)\n", text, StringComparison.Ordinal);
    }
}

public sealed class MemoryPoolTests
{
    [Fact]
    public void Returned_block_is_cleared_and_lent_again()
    {
        using ClearingMemoryPool pool = new();
        System.Buffers.IMemoryOwner<byte> first = pool.Rent(4096);
        Memory<byte> memory = first.Memory;
        memory.Span.Fill(7);
        first.Dispose();
        first.Dispose();
        Assert.True(memory.Span.IndexOfAnyExcept((byte)0) < 0);
        Assert.True(pool.Rent().Memory.Span == memory.Span);
        Assert.False(pool.Rent().Memory.Span == memory.Span);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent(4097));
    }
}
