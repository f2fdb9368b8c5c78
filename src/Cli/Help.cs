using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;

namespace Tacit.Cli;

/// <summary>Help with examples below it: what most people read first.</summary>
internal static class Help
{
    private static readonly ConditionalWeakTable<Command, string[]> s_examples = [];

    /// <summary>Shell lines, each optionally with a comment after <c>#</c>.</summary>
    public static T WithExamples<T>(this T command, params string[] examples)
        where T : Command
    {
        s_examples.AddOrUpdate(command, examples);
        return command;
    }

    public static void AddTo(RootCommand root)
    {
        foreach (Option option in root.Options)
        {
            if (option is HelpOption help && help.Action is HelpAction plain)
            {
                help.Action = new WithExamplesAction(plain);
            }
        }
    }

    private sealed class WithExamplesAction(HelpAction plain) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = plain.Invoke(parseResult);
            if (s_examples.TryGetValue(parseResult.CommandResult.Command, out string[]? examples))
            {
                TextWriter output = parseResult.InvocationConfiguration.Output;
                output.WriteLine("Examples:");
                foreach (string example in examples)
                {
                    output.WriteLine("  " + example);
                }
                output.WriteLine();
            }
            return code;
        }
    }
}
