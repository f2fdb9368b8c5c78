using System.CommandLine;
using Tacit.Cli.Demo;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Commands;

internal static class DemoCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        Option<bool> once = new("--once") { Description = "End after the answer. So does a run without a terminal." };
        Option<Uri?> provider = Flags.Url("--provider", "Ask a real model: the base URL of an OpenAI-compatible API, such as https://api.openai.com/v1.");
        Option<SecretReference?> key = Flags.Secret("--key", "The provider's API key.");
        Option<string?> model = new("--model") { Description = "The provider's model.", HelpName = "M" };
        Option<int?> portBase = Flags.Number("--port-base", "N", 1, 65533, $"App, issuer and gateway listen at N, N+1 and N+2. Default: {DemoOptions.DefaultPortBase}.");
        Option<bool> noLocalModel = new("--no-local-model") { Description = "Use the built-in model, even if llama.cpp, vLLM, Ollama or LM Studio runs on this machine." };
        Option<bool> timing = new("--timing") { Description = "Show what the time to the answer was spent on." };
        Option<bool> json = new("--json") { Description = "Print the result as JSON, and end." };
        Command command = new("demo", "Run everything on this machine, ask one question through the whole path, and show what each part saw.")
        {
            once, provider, key, model, noLocalModel, portBase, timing, json,
        };
        command.Validators.Add(result =>
        {
            bool hasProvider = result.GetResult(provider) is not null;
            if (hasProvider && result.GetResult(model) is null)
            {
                result.AddError("--provider needs --model: the name of the model to ask there.");
            }
            if (!hasProvider && (result.GetResult(model) ?? result.GetResult(key)) is not null)
            {
                result.AddError("--key and --model go with --provider.");
            }
        });
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string? data = parsed.GetValue(flags.Data);
            DemoOptions options = new()
            {
                // Apart from a real wallet's data, and kept: keys are made once.
                DataDirectory = data is null ? Path.Combine(DataFolder.Resolve(null), "demo") : DataFolder.Resolve(data),
                PortBase = parsed.GetValue(portBase) ?? DemoOptions.DefaultPortBase,
                Provider = parsed.GetValue(provider),
                ProviderKey = parsed.GetValue(key),
                Model = parsed.GetValue(model) ?? InferenceRouter.DemoModelName,
            };
            if (options.Provider is null && !parsed.GetValue(noLocalModel))
            {
                options = options.With(await LocalServers.FindAsync(TimeProvider.System, cancellationToken));
            }
            bool asJson = parsed.GetValue(json);
            return await new DemoRun(terminal, options, parsed.GetValue(once) || asJson || !terminal.IsInteractive, asJson, parsed.GetValue(timing)).RunAsync(cancellationToken);
        });
        return command.WithExamples(
            "tacit demo",
            "tacit demo --once --timing",
            "tacit demo --no-local-model",
            "tacit demo --provider https://api.openai.com/v1 --key env:OPENAI_API_KEY --model gpt-4o-mini",
            "tacit demo --once --json --port-base 9000 --data /tmp/tacit-demo");
    }
}
