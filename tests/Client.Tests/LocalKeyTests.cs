using System.Text;
using Tacit.Client.Tests.Support;

namespace Tacit.Client.Tests;

public sealed class LocalKeyTests
{
    private static readonly byte[] Value = Encoding.UTF8.GetBytes("what somebody wrote");

    [Fact]
    public void A_value_opens_in_its_place_and_nowhere_else()
    {
        using LocalKey key = LocalKey.Derive(new byte[16], "wallet", "test");
        byte[] box = key.Seal(Value, "here"u8);
        Assert.Equal(Value, key.TryOpen(box, "here"u8));
        Assert.Null(key.TryOpen(box, "there"u8));
        for (int i = 0; i < box.Length; i++)
        {
            byte[] changed = [.. box];
            changed[i] ^= 1;
            Assert.Null(key.TryOpen(changed, "here"u8));
        }
        for (int length = 0; length < box.Length; length++)
        {
            Assert.Null(key.TryOpen(box.AsSpan(0, length), "here"u8));
        }
        Assert.NotEqual(box, key.Seal(Value, "here"u8));
    }

    [Fact]
    public void Roots_origins_and_purposes_each_have_a_key_of_their_own()
    {
        byte[] other = new byte[16];
        other[15] = 1;
        LocalKey[] keys =
        [
            LocalKey.Derive(new byte[16], "wallet", "test"), LocalKey.Derive(new byte[16], "wallet", "tesT"), LocalKey.Derive(new byte[16], "device", "test"),
            LocalKey.Derive(other, "wallet", "test"),
        ];
        byte[] box = keys[0].Seal(Value, []);
        Assert.Equal(keys.Length, keys.Select(key => Convert.ToHexString(key.Check)).Distinct().Count());
        Assert.Equal(keys.Length, keys.Select(key => Convert.ToHexString(key.Hash(Value))).Distinct().Count());
        Assert.All(keys[1..], key => Assert.Null(key.TryOpen(box, [])));
        Array.ForEach(keys, key => key.Dispose());
    }

    /// <summary>HKDF-SHA256 as RFC 5869 has it, computed with another implementation: what is on disk must open with every later version.</summary>
    [Fact]
    public void The_key_of_a_seed_never_changes()
    {
        using LocalKey key = LocalKey.Derive(Enumerable.Range(0, 16).Select(i => (byte)i).ToArray(), "wallet", "app.db");
        Assert.Equal("6b235ddc5e9be21d0939fce764748a008131a2dd6461ef9f1afa77dd07231417", Convert.ToHexStringLower(key.Check));
    }

    [Fact]
    public async Task A_wallet_and_a_device_give_the_same_key_whenever_they_are_opened()
    {
        using var folder = new TestFolder();
        var options = new WalletOptions { DataDirectory = folder.Path };
        byte[] first;
        await using (Wallet wallet = await Wallet.CreateAsync(options, TimeProvider.System))
        {
            using LocalKey key = wallet.DeriveLocalKey("test");
            first = key.Check;
        }
        await using (Wallet wallet = await Wallet.OpenAsync(options, TimeProvider.System))
        {
            using LocalKey key = wallet.DeriveLocalKey("test");
            Assert.Equal(first, key.Check);
        }
        using DeviceKey made = DeviceKey.Create(folder.Path);
        using DeviceKey loaded = DeviceKey.Load(folder.Path);
        using LocalKey one = made.DeriveLocalKey("test");
        using LocalKey other = loaded.DeriveLocalKey("test");
        Assert.Equal(one.Check, other.Check);
        Assert.NotEqual(first, one.Check);
    }
}
