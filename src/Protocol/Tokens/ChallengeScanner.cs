using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Tacit.Protocol;

internal enum ScannedPart
{
    Malformed,
    End,

    /// <summary>An authentication scheme: begins a new challenge.</summary>
    Scheme,

    /// <summary>The scheme's one value in the old form, as Basic has it.</summary>
    Token68,

    /// <summary>One name and value of the current challenge.</summary>
    Parameter,
}

/// <summary>
/// Takes apart an Authorization or WWW-Authenticate value (RFC 9110, section 11). The list of challenges and the lists of their parameters
/// share the comma, so a word is a scheme or a parameter by what follows it: "=" makes it a parameter.
/// </summary>
internal ref struct ChallengeScanner
{
    private static readonly SearchValues<char> TokenCharacters =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private static readonly SearchValues<char> Token68Characters =
        SearchValues.Create("-._~+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private ReadOnlySpan<char> _rest;
    private ReadOnlySpan<char> _value;
    private bool _quoted;
    private bool _hasScheme;
    private bool _afterScheme;
    private bool _needsComma;

    public ChallengeScanner(ReadOnlySpan<char> text) => _rest = text;

    /// <summary>Name of the scheme or parameter just read.</summary>
    public ReadOnlySpan<char> Name { get; private set; }

    public ScannedPart Read()
    {
        bool comma = SkipSeparators();
        if (_rest.IsEmpty)
        {
            return ScannedPart.End;
        }

        if (_needsComma && !comma)
        {
            return ScannedPart.Malformed;
        }

        bool mayBeToken68 = _afterScheme && !comma;
        _afterScheme = false;
        if (mayBeToken68 && TryReadToken68())
        {
            _needsComma = true;
            return ScannedPart.Token68;
        }

        ReadOnlySpan<char> name = TakeToken();
        if (name.IsEmpty)
        {
            return ScannedPart.Malformed;
        }

        Name = name;
        ReadOnlySpan<char> afterName = _rest.TrimStart(" \t");
        if (afterName.StartsWith("="))
        {
            _rest = afterName[1..].TrimStart(" \t");
            _needsComma = true;
            return _hasScheme && TryReadValue() ? ScannedPart.Parameter : ScannedPart.Malformed;
        }

        // A scheme ends at a space, a comma or the end; anything else in its place is no scheme. After "scheme SP" a second bare word is one
        // only behind a comma.
        if (mayBeToken68 || (!_rest.IsEmpty && _rest[0] is not (' ' or '\t' or ',')))
        {
            return ScannedPart.Malformed;
        }

        _hasScheme = true;
        _afterScheme = true;
        _needsComma = false;
        return ScannedPart.Scheme;
    }

    public readonly string ReadValue()
    {
        if (!_quoted || !_value.Contains('\\'))
        {
            return new string(_value);
        }

        StringBuilder text = new(_value.Length);
        for (int i = 0; i < _value.Length; i++)
        {
            text.Append(_value[i] == '\\' ? _value[++i] : _value[i]);
        }

        return text.ToString();
    }

    /// <summary>The value as base64url, padded or not.</summary>
    public readonly bool TryDecodeValue(int maxBytes, [NotNullWhen(true)] out byte[]? bytes) =>
        _quoted && _value.Contains('\\')
            ? Base64UrlText.TryDecode(ReadValue(), maxBytes, out bytes)
            : Base64UrlText.TryDecode(_value, maxBytes, out bytes);

    private bool SkipSeparators()
    {
        bool comma = false;
        int i = 0;
        while (i < _rest.Length && _rest[i] is ' ' or '\t' or ',')
        {
            comma |= _rest[i] == ',';
            i++;
        }

        _rest = _rest[i..];
        return comma;
    }

    private ReadOnlySpan<char> TakeToken()
    {
        int length = _rest.IndexOfAnyExcept(TokenCharacters);
        ReadOnlySpan<char> token = length < 0 ? _rest : _rest[..length];
        _rest = _rest[token.Length..];
        return token;
    }

    // token68 is a run of its alphabet and then only "=", up to a comma or the end; "name=value" is no token68 because of its value.
    private bool TryReadToken68()
    {
        int length = _rest.IndexOfAnyExcept(Token68Characters);
        if (length == 0)
        {
            return false;
        }

        ReadOnlySpan<char> after = (length < 0 ? default : _rest[length..]).TrimStart('=').TrimStart(" \t");
        if (!after.IsEmpty && after[0] != ',')
        {
            return false;
        }

        _rest = after;
        return true;
    }

    private bool TryReadValue()
    {
        _quoted = _rest.StartsWith("\"");
        if (_quoted)
        {
            return TryReadQuoted();
        }

        // Besides the token that the grammar allows, base64url with its padding, which clients send unquoted though it needs the quotes.
        int length = 0;
        while (length < _rest.Length && (TokenCharacters.Contains(_rest[length]) || _rest[length] == '='))
        {
            length++;
        }

        _value = _rest[..length];
        _rest = _rest[length..];
        return length > 0;
    }

    private bool TryReadQuoted()
    {
        for (int i = 1; i < _rest.Length; i++)
        {
            switch (_rest[i])
            {
                case '"':
                    _value = _rest[1..i];
                    _rest = _rest[(i + 1)..];
                    return true;
                case '\\' when i + 1 < _rest.Length && IsQuotable(_rest[i + 1]):
                    i++;
                    break;
                case '\\':
                    return false;
                case char c when !IsQuotable(c):
                    return false;
                default:
                    break;
            }
        }

        return false;
    }

    private static bool IsQuotable(char c) => c == '\t' || (c >= ' ' && c != '\x7f');
}
