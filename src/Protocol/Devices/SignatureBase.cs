using System.Text;

namespace Tacit.Protocol;

/// <summary>
/// The signature base of HTTP Message Signatures (RFC 9421, section 2.5): a line for each covered component and a last one with the parameters, joined by line feeds.
/// </summary>
public static class SignatureBase
{
    /// <param name="components">Name and canonical value of each covered component, in order.</param>
    /// <param name="parameters">The parameters behind the list of names, from their semicolon on, as <c>Signature-Input</c> has them.</param>
    public static byte[] Create(ReadOnlySpan<(string Name, string Value)> components, string parameters)
    {
        var text = new StringBuilder(256);
        foreach ((string name, string value) in components)
        {
            text.Append('"').Append(name).Append("\": ").Append(value).Append('\n');
        }

        text.Append("\"@signature-params\": ");
        AppendNames(text, components).Append(parameters);
        return System.Text.Encoding.ASCII.GetBytes(text.ToString());
    }

    private static StringBuilder AppendNames(StringBuilder text, ReadOnlySpan<(string Name, string Value)> components)
    {
        text.Append('(');
        for (int i = 0; i < components.Length; i++)
        {
            text.Append(i == 0 ? "\"" : " \"").Append(components[i].Name).Append('"');
        }

        return text.Append(')');
    }
}
