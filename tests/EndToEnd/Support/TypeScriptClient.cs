using System.Text.Json;

namespace Tacit.EndToEnd.Support;

/// <summary>The TypeScript client under <c>sdk/typescript</c>: installed, compiled and run by Node. Skips the test where Node 20 or npm is missing.</summary>
internal static class TypeScriptClient
{
    private static readonly string s_folder = Path.Combine(Node.RepositoryRoot(), "sdk", "typescript");
    private static readonly Lazy<Task> s_built = new(BuildAsync);

    /// <summary>Runs a file of <c>node:test</c> tests; fails with what it said.</summary>
    public static async Task TestAsync(string file, params (string Name, string Value)[] environment)
    {
        await s_built.Value;
        (int code, string output, string errors) = await Node.ExecuteAsync(s_folder, "node", ["--test", "--test-reporter=tap", file], environment);
        Assert.True(code == 0, $"{file} failed: {output}{errors}");
    }

    /// <summary>Runs a script that prints one JSON value.</summary>
    public static async Task<JsonElement> RunAsync(string script, params string[] arguments)
    {
        await s_built.Value;
        (int code, string output, string errors) = await Node.ExecuteAsync(s_folder, "node", [script, .. arguments]);
        Assert.True(code == 0, $"{script} failed: {errors}{output}");
        return JsonDocument.Parse(output).RootElement;
    }

    private static async Task BuildAsync()
    {
        await Node.InstallAsync(s_folder, "ci");
        (int code, string output, string errors) = await Node.ExecuteAsync(s_folder, "node", [Path.Combine("node_modules", "typescript", "bin", "tsc")]);
        Assert.True(code == 0, $"The TypeScript client does not compile: {output}{errors}");
    }
}
