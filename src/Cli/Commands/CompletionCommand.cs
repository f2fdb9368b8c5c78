using System.CommandLine;

namespace Tacit.Cli.Commands;

/// <summary>Prints a script that makes a shell ask <c>tacit [suggest]</c> for completions, so that they are always those of the installed version.</summary>
internal static class CompletionCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> shell = new("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        Command command = new("completion", "Print a completion script for a shell.") { shell };
        command.SetAction(parsed =>
        {
            terminal.Out.Write(parsed.GetRequiredValue(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => Fish,
            });
            return ExitCode.Fine;
        });
        return command.WithExamples(
            "source <(tacit completion bash)                                    # this shell",
            "tacit completion bash > ~/.local/share/bash-completion/completions/tacit",
            "tacit completion zsh > \"${fpath[1]}/_tacit\"",
            "tacit completion fish > ~/.config/fish/completions/tacit.fish");
    }

    private const string Bash = """
        # bash completion for tacit
        _tacit() {
            local line="${COMP_LINE:0:COMP_POINT}" current="${COMP_WORDS[COMP_CWORD]}"
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "$line" 2>/dev/null)" -- "$current"))
        }
        complete -o default -F _tacit tacit

        """;

    private const string Zsh = """
        #compdef tacit
        # zsh completion for tacit
        _tacit() {
            local line="${BUFFER[1,CURSOR]}"
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:${#line}]" "$line" 2>/dev/null)}")
            found=(${found:#})
            if (( ${#found} )); then compadd -- $found; else _files; fi
        }
        if [ "$funcstack[1]" = "_tacit" ]; then _tacit; else compdef _tacit tacit; fi

        """;

    private const string Fish = """
        # fish completion for tacit
        function __tacit_complete
            set -l line (commandline -cp)
            tacit "[suggest:"(string length -- $line)"]" "$line" 2>/dev/null
        end
        complete -c tacit -f -a "(__tacit_complete)"

        """;
}
