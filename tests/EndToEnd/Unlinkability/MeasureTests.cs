using System.Security.Cryptography;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>The measures themselves: what chance gives is let through, what it does not give is not.</summary>
public sealed class MeasureTests
{
    [Theory]
    [InlineData(15, 15.0, 0.4514)]
    [InlineData(15, 30.578, 0.01)]
    [InlineData(255, 310.457, 0.01)]
    [InlineData(15, 82.5, 2.4e-11)]
    public void Chi_square_tail_is_that_of_the_tables(int degrees, double chiSquare, double probability) =>
        Assert.InRange(Chance.OfChiSquare(chiSquare, degrees + 1) / probability, 0.9, 1.1);

    [Fact]
    public void Even_strings_pass() =>
        Assert.Empty(UniformChecks.Run("random", [.. Enumerable.Range(0, 2000).Select(_ => RandomNumberGenerator.GetBytes(248))]));

    [Fact]
    public void Search_finds_every_form_and_nothing_else()
    {
        byte[] secret = RandomNumberGenerator.GetBytes(32);
        var search = new SecretSearch();
        search.Add("secret", secret);
        byte[][] forms =
        [
            secret, secret[16..], SHA256.HashData(secret), SHA384.HashData(secret)[..24],
            .. new[]
            {
                Convert.ToHexString(secret), Convert.ToHexStringLower(SHA256.HashData(secret)), Convert.ToBase64String(secret),
                Convert.ToBase64String([1, .. secret]), Convert.ToBase64String([1, 2, .. secret]), System.Buffers.Text.Base64Url.EncodeToString(SHA384.HashData(secret)),
            }.Select(System.Text.Encoding.ASCII.GetBytes),
        ];
        foreach (byte[] form in forms)
        {
            byte[] around = RandomNumberGenerator.GetBytes(1000);
            Assert.Empty(search.Find("noise", around));
            Assert.NotEmpty(search.Find("noise", (byte[])[.. around[..333], .. form, .. around[333..]]));
        }
    }
}
