using Tacit.Inference;

namespace Tacit.Cli.Doctor;

/// <summary>Which inference servers run on this machine, for <c>tacit demo</c> and as backends of a gateway.</summary>
internal static class ModelChecks
{
    private const string Check = "local models";

    public static Finding Of(IReadOnlyList<LocalServer> found) => found.Count == 0
        ? Finding.Fine(Check, "no llama.cpp, vLLM, Ollama or LM Studio on its usual port; `tacit demo` answers by itself")
        : Finding.Fine(Check, string.Join("; ", found.Select(server => $"{server.Program} at {server.BaseUrl}: {Names(server.Models)}")));

    private static string Names(IReadOnlyList<string> models) => models.Count switch
    {
        0 => "no model",
        <= 3 => string.Join(", ", models),
        _ => $"{string.Join(", ", models.Take(3))} and {models.Count - 3} more",
    };
}
