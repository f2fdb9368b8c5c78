using System.Globalization;
using System.Text;

namespace Tacit.Inference;

/// <summary>What the demo model says: what the gateway saw of this very request. It repeats nothing of the prompt.</summary>
internal sealed class DemoAnswer
{
    /// <summary>Words in one event of a stream.</summary>
    private const int TokensPerPiece = 4;

    private DemoAnswer(IReadOnlyList<string> pieces, int tokens, bool isCut)
    {
        Pieces = pieces;
        Tokens = tokens;
        IsCut = isCut;
    }

    /// <summary>The text in the pieces it is streamed in.</summary>
    public IReadOnlyList<string> Pieces { get; }

    public string Text => string.Concat(Pieces);

    /// <summary>A token of this model is a word with the white space after it.</summary>
    public int Tokens { get; }

    /// <summary>Whether the output cap ended the text.</summary>
    public bool IsCut { get; }

    public static DemoAnswer To(DemoPrompt prompt, ProviderCall call)
    {
        List<string> tokens = Split(Compose(prompt, call));
        int kept = Math.Min(tokens.Count, prompt.OutputCap);
        var pieces = new List<string>();
        for (int i = 0; i < kept; i += TokensPerPiece)
        {
            pieces.Add(string.Concat(tokens.GetRange(i, Math.Min(TokensPerPiece, kept - i))));
        }

        return new DemoAnswer(pieces, kept, kept < tokens.Count);
    }

    private static string Compose(DemoPrompt prompt, ProviderCall call)
    {
        var text = new StringBuilder();
        text.Append("I am tacit-demo, a model built into this gateway. I know nothing but this one request, so all I can tell you is what the gateway saw of it:\n\n");
        foreach ((string label, string value) in call.Facts.Items)
        {
            text.Append(CultureInfo.InvariantCulture, $"- {label}: {value}\n");
        }

        string operation = call.Operation switch
        {
            Operation.Responses => "response",
            Operation.Messages => "message",
            _ => "chat completion",
        };
        text.Append(CultureInfo.InvariantCulture, $"- asked for: a {operation}, {(call.Stream ? "streamed" : "in one piece")}\n");
        text.Append(CultureInfo.InvariantCulture, $"- prompt, in memory only: {Count(prompt.Items, "message")}, {Count(prompt.Words, "word")}, {Count(prompt.Bytes, "byte")} with all settings");
        if (prompt.Images > 0)
        {
            text.Append(", ").Append(Count(prompt.Images, "image"));
        }

        if (prompt.Attachments > 0)
        {
            text.Append(", ").Append(Count(prompt.Attachments, "attachment"));
        }

        text.Append('\n');
        if (prompt.Tools > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"- offered: {Count(prompt.Tools, "tool")}, of which I call none\n");
        }

        return text.Append("\nIt was not told who you are: no account, name or payment came with this request. The token that paid for it was signed blind, so not even its issuer can recognise it.").ToString();
    }

    private static string Count(int number, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{number:N0} {noun}{(number == 1 ? "" : "s")}");

    private static List<string> Split(string text)
    {
        var tokens = new List<string>();
        int start = 0;
        for (int i = 1; i < text.Length; i++)
        {
            if (!char.IsWhiteSpace(text[i]) && char.IsWhiteSpace(text[i - 1]))
            {
                tokens.Add(text[start..i]);
                start = i;
            }
        }

        tokens.Add(text[start..]);
        return tokens;
    }
}
