namespace Tacit.Protocol;

/// <summary>The problem that RFC 9458, section 5.3 defines for what happens before a request is opened; all others are told inside the response.</summary>
public static class ObliviousProblems
{
    public const string KeyType = "https://iana.org/assignments/http-problem-types#ohttp-key";

    /// <summary>400: no live key has this id, its algorithms are others, or the request was not sealed to it. The client gets the keys anew.</summary>
    public static Problem Key { get; } = new(KeyType, 400, "key identifier unknown");
}
