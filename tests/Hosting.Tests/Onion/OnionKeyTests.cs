using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting.KeyProtection;
using Tacit.Hosting.Onion;

namespace Tacit.Hosting.Tests.Onion;

/// <summary>The file with an onion service's key.</summary>
public sealed class OnionKeyTests : IDisposable
{
    private const string Address = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(64);

    public OnionKeyTests() => File.WriteAllBytes(_folder["secret"], RandomNumberGenerator.GetBytes(32));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Key_is_the_same_after_a_restart_and_on_the_disk_it_is_encrypted()
    {
        using (OnionDoor first = Open())
        {
            Assert.True(first.PrivateKey.IsEmpty);
            Assert.Null(first.Announced);
            first.Keep(Address, _key);
            Assert.Equal(Address, first.Announced);
        }

        using OnionDoor again = Open();
        Assert.Equal(_key, again.PrivateKey.ToArray());
        Assert.Equal(Address, again.Announced);
        Assert.Equal(Address, OnionDoor.FindAddress(_folder[""], "test"));
        string path = OnionDoor.KeyPathFor(_folder[""], "test");
        Assert.Equal(-1, File.ReadAllBytes(path).AsSpan().IndexOf(_key));
        Assert.DoesNotContain(Convert.ToBase64String(_key)[..20], File.ReadAllText(path), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        // A service that came back is not written anew.
        byte[] before = File.ReadAllBytes(path);
        again.Keep(Address, _key);
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void Key_opens_under_the_roles_own_secret_where_it_has_none_of_its_own()
    {
        (KeyProtectionKind, SecretReference, string) own = (KeyProtectionKind.KeyFile, SecretReference.FromFile(_folder["secret"]), "KeyFile");
        using (OnionDoor door = OnionDoor.Open(new OnionOptions { Enabled = true }, "test", _folder[""], own, NullLoggerFactory.Instance))
        {
            door.Keep(Address, _key);
        }

        using OnionDoor again = Open();
        Assert.Equal(_key, again.PrivateKey.ToArray());
    }

    [Fact]
    public void Wrong_secret_and_every_damaged_file_are_told_and_nothing_is_changed()
    {
        using (OnionDoor door = Open())
        {
            door.Keep(Address, _key);
        }

        File.WriteAllBytes(_folder["other"], RandomNumberGenerator.GetBytes(32));
        Assert.Equal(KeyProtectionError.WrongSecret, Assert.Throws<KeyProtectionException>(() => Open("other")).Error);
        string path = OnionDoor.KeyPathFor(_folder[""], "test");
        string[] lines = File.ReadAllLines(path);
        string other = "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion";
        foreach (string[] damaged in (string[][])[
            [], [lines[0]], ["tacit onion key 2", .. lines[1..]], [lines[0], other, .. lines[2..]], [.. lines[..3], "?"], [.. lines[..3], ""], [.. lines[..2], "", lines[3]],
            [.. lines, "more"], [.. lines[..3], new string('A', 5000)]])
        {
            File.WriteAllLines(path, damaged);
            Assert.Equal(KeyProtectionError.Damaged, Assert.Throws<KeyProtectionException>(() => Open()).Error);
        }

        File.WriteAllLines(path, lines);
        using OnionDoor again = Open();
        Assert.Equal(_key, again.PrivateKey.ToArray());
    }

    [Fact]
    public void Backup_has_the_key_beside_the_database_and_a_restore_brings_the_address_back()
    {
        Assert.Null(OnionDoor.CopyKey(_folder[""], "test", _folder["test.db"]));
        Assert.False(OnionDoor.PutBackKey(_folder[""], "test", _folder["test.db"]));
        using (OnionDoor door = Open())
        {
            door.Keep(Address, _key);
        }

        string copy = OnionDoor.CopyKey(_folder[""], "test", _folder["test.db"])!;
        Assert.Equal(_folder["test.db.onion.key"], copy);
        Assert.Equal(-1, File.ReadAllBytes(copy).AsSpan().IndexOf(_key));
        Assert.Throws<IOException>(() => OnionDoor.CopyKey(_folder[""], "test", _folder["test.db"]));

        // On a machine that has made another one meanwhile.
        string path = OnionDoor.KeyPathFor(_folder[""], "test");
        File.Delete(path);
        using (OnionDoor door = Open())
        {
            door.Keep("sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion", RandomNumberGenerator.GetBytes(64));
        }

        Assert.True(OnionDoor.PutBackKey(_folder[""], "test", _folder["test.db"]));
        Assert.True(File.Exists(path + ".old"));
        using OnionDoor restored = Open();
        Assert.Equal((Address, Convert.ToHexString(_key)), (restored.Announced, Convert.ToHexString(restored.PrivateKey.Span)));
    }

    [Fact]
    public void Settings_that_cannot_work_name_key_and_fix()
    {
        Assert.Equal("Onion:KeyFile", Assert.Single(Problems(new OnionOptions { Enabled = true }, hasSecret: false)).Key);
        Assert.Empty(Problems(new OnionOptions { Enabled = true }, hasSecret: true));
        Assert.Empty(Problems(new OnionOptions(), hasSecret: false));
        foreach (string client in (string[])["", "abc", new string('1', 52), new string('B', 52), new string('A', 53), new string('A', 52), new string('a', 52)])
        {
            Assert.Equal("Onion:AuthorizedClients", Assert.Single(Problems(new OnionOptions { AuthorizedClients = [client] }, true)).Key);
        }

        Assert.Empty(Problems(new OnionOptions { AuthorizedClients = [new string('b', 51) + "a", new string('C', 51) + "Q"] }, true));
        Assert.Equal("Onion:Addresses", Assert.Single(Problems(new OnionOptions { Addresses = 0 }, true)).Key);
    }

    private static IReadOnlyList<SettingsProblem> Problems(OnionOptions options, bool hasSecret)
    {
        SettingsValidation validation = new();
        options.Validate(validation, hasSecret);
        return validation.Problems;
    }

    private OnionDoor Open(string secret = "secret") => OnionDoor.Open(
        new OnionOptions { Enabled = true, KeyFile = SecretReference.FromFile(_folder[secret]) }, "test", _folder[""], null, NullLoggerFactory.Instance);
}
