using System.Text;
using Tacit.Protocol;

namespace Tacit.Fuzz;

internal static class Documents
{
    public static IReadOnlyList<byte[]> Directories { get; } =
    [
        Samples.Utf8("""{"issuer-name":"i","issuer-request-uri":"/t","token-keys":[],"plans":[],"gateways":[],"sequence":1}"""),
        Samples.Utf8(Encoding.UTF8.GetString(Samples.DirectoryDocument).Replace("\"sequence\"", "\"unknown\":{\"a\":[true,null,\"é\"]},\"sequence\"", StringComparison.Ordinal)),
    ];

    public static IReadOnlyList<byte[]> Json { get; } =
        [.. new[]
        {
            """{"b":[1,-2,true,false,null,"x\u20ac\"\\\u0000\n"],"a":{"\ud83d\ude00":0},"\r":""}""",
            "[]", "\"\"", "9007199254740991", "{}",
        }.Select(Samples.Utf8)];

    public static bool RunDirectory(byte[] input)
    {
        if (!IssuerDirectory.TryParse(input, out IssuerDirectory? directory, out string? error))
        {
            FuzzTarget.Require(directory is null && error.Length > 0, "a refused directory gives a reason");
            return false;
        }

        byte[] written = directory.SignAndEncode(_ => Samples.Filled(64, 1));
        FuzzTarget.Require(
            IssuerDirectory.TryParse(written, out IssuerDirectory? again, out _)
                && again.Plans.SelectMany(plan => plan.Keys).SequenceEqual(directory.Plans.SelectMany(plan => plan.Keys))
                && again.TokenKeys.Count == directory.TokenKeys.Count
                && again.Sequence == directory.Sequence,
            "a directory changes when it is written and read again");
        return true;
    }

    public static bool RunJson(byte[] input)
    {
        if (!CanonicalJson.TryCanonicalize(input, null, out byte[]? canonical))
        {
            return false;
        }

        FuzzTarget.Require(
            CanonicalJson.TryCanonicalize(canonical, null, out byte[]? again) && again.AsSpan().SequenceEqual(canonical),
            "the canonical form is not its own canonical form");
        return true;
    }
}
