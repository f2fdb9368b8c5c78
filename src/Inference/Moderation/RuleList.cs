using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Tacit.Inference;

internal enum RuleVerdict
{
    NoMatch,
    Match,

    /// <summary>A rule ran out of time.</summary>
    TimedOut,
}

/// <summary>
/// The operator's rules over one text. A rule is matched in time linear in the text where its form allows (no look-around, no back-references). Every rule gets a
/// time, for the text is the sender's and may be made to be slow: linear is also what takes many steps at each character (<c>a.{0,5000}b</c>).
/// </summary>
internal sealed class RuleList
{
    /// <summary>Rules that may run out of their time on one text. Each costs all of it, and whoever wrote the text may have meant it so.</summary>
    private const int MaxTimeouts = 3;

    /// <summary>How much more time a rule gets whose time the text's length bounds: an honest long text is not to be refused on a busy machine.</summary>
    private const int LinearPatience = 10;

    private readonly Regex[] _rules;

    public RuleList(IEnumerable<string> rules, TimeSpan timeout)
    {
        // Those that are linear first: a text that makes another one slow must not keep them from being applied.
        _rules = [.. rules.Select(rule => Compile(rule, timeout)).OrderBy(rule => rule.Options.HasFlag(RegexOptions.NonBacktracking) ? 0 : 1)];
    }

    /// <summary>Whether this is a regular expression that does not match everything.</summary>
    public static bool IsRule(string rule)
    {
        try
        {
            return rule.Length > 0 && !Compile(rule, TimeSpan.FromSeconds(1)).IsMatch("");
        }
        catch (Exception e) when (e is ArgumentException or RegexMatchTimeoutException)
        {
            return false;
        }
    }

    /// <param name="text">UTF-8; what is no UTF-8 was refused before.</param>
    public RuleVerdict Judge(ReadOnlySpan<byte> text)
    {
        if (_rules.Length == 0)
        {
            return RuleVerdict.NoMatch;
        }

        char[] rented = ArrayPool<char>.Shared.Rent(Encoding.UTF8.GetMaxCharCount(text.Length));
        int length = 0;
        try
        {
            length = Encoding.UTF8.GetChars(text, rented);
            return Judge(rented.AsSpan(0, length));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(rented.AsSpan(0, length)));
            ArrayPool<char>.Shared.Return(rented);
        }
    }

    private RuleVerdict Judge(ReadOnlySpan<char> text)
    {
        int timeouts = 0;
        foreach (Regex rule in _rules)
        {
            try
            {
                if (rule.IsMatch(text))
                {
                    return RuleVerdict.Match;
                }
            }
            catch (RegexMatchTimeoutException)
            {
                // Another rule may still match, and a match is the better answer.
                if (++timeouts == MaxTimeouts)
                {
                    break;
                }
            }
        }

        return timeouts > 0 ? RuleVerdict.TimedOut : RuleVerdict.NoMatch;
    }

    private static Regex Compile(string rule, TimeSpan timeout)
    {
        const RegexOptions Common = RegexOptions.CultureInvariant;
        try
        {
            return new Regex(rule, Common | RegexOptions.NonBacktracking, timeout * LinearPatience);
        }
        catch (NotSupportedException)
        {
            return new Regex(rule, Common, timeout);
        }
    }
}
