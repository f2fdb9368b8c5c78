namespace Tacit.Hosting;

/// <summary>Wraps a value that no log, error or debugger line may show: it prints as <c>[scrubbed]</c> however it is formatted.</summary>
public readonly struct Scrubbed<T>(T value) : IFormattable
{
    private readonly T _value = value;

    /// <summary>The value itself, for the one place that needs it.</summary>
    public T Reveal() => _value;

    public override string ToString() => "[scrubbed]";

    public string ToString(string? format, IFormatProvider? formatProvider) => "[scrubbed]";
}
