using System.Security.Cryptography;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Replies;

namespace Tacit.Gateway.Tests;

/// <summary>The hash by which lines of one request are told from others.</summary>
public sealed class CorrelationTests
{
    [Fact]
    public void Correlation_is_the_same_for_a_spend_another_for_another_and_no_hash_that_somebody_else_can_make()
    {
        byte[] bytes = RandomNumberGenerator.GetBytes(SpendId.SizeInBytes);
        string id = CorrelationId.Of(new SpendId(bytes));
        Assert.Equal(16, id.Length);
        Assert.Equal(id, CorrelationId.Of(new SpendId(bytes)));
        Assert.NotEqual(id, CorrelationId.Of(new SpendId(RandomNumberGenerator.GetBytes(SpendId.SizeInBytes))));
        Assert.DoesNotContain(id, Convert.ToHexStringLower(bytes), StringComparison.Ordinal);
        Assert.False(Convert.ToHexStringLower(SHA256.HashData(bytes)).StartsWith(id, StringComparison.Ordinal));
        Assert.False(Convert.ToHexStringLower(HMACSHA256.HashData(new byte[32], bytes)).StartsWith(id, StringComparison.Ordinal));
    }
}
