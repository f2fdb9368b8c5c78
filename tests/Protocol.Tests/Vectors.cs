using System.Text.Json;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

/// <summary>The published vectors. A test that needs them is skipped where they are not at hand.</summary>
internal static class Vectors
{
    public static IReadOnlyList<JsonElement> Read(string file, string standard = "privacypass")
    {
        if (Samples.VectorFolder is not string folder)
        {
            Assert.Skip("The published vectors are not at hand: set TACIT_VECTORS to their folder.");
            return [];
        }

        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, standard, file)));
        return [.. document.RootElement.GetProperty("vectors").EnumerateArray().Select(vector => vector.Clone())];
    }

    public static byte[] Hex(this JsonElement vector, string member) => Convert.FromHexString(vector.Text(member));

    public static string Text(this JsonElement vector, string member) => vector.GetProperty(member).GetString()!;

    public static bool Has(this JsonElement vector, string member) => vector.TryGetProperty(member, out _);

    /// <summary>A member that is hex of ASCII text.</summary>
    public static string Ascii(this JsonElement vector, string member) => System.Text.Encoding.ASCII.GetString(vector.Hex(member));
}
