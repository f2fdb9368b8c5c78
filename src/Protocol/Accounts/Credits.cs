using System.Globalization;

namespace Tacit.Protocol;

/// <summary>An amount of credit in whole units; may be negative as a change in a ledger. All arithmetic is checked (law 8).</summary>
public readonly record struct Credits(long Value) : IComparable<Credits>
{
    public static Credits Zero => default;

    public bool IsNegative => Value < 0;

    public static Credits operator +(Credits left, Credits right) => new(checked(left.Value + right.Value));

    public static Credits operator -(Credits left, Credits right) => new(checked(left.Value - right.Value));

    public static Credits operator -(Credits amount) => new(checked(-amount.Value));

    public static Credits operator *(Credits amount, long count) => new(checked(amount.Value * count));

    public static bool operator <(Credits left, Credits right) => left.Value < right.Value;

    public static bool operator >(Credits left, Credits right) => left.Value > right.Value;

    public static bool operator <=(Credits left, Credits right) => left.Value <= right.Value;

    public static bool operator >=(Credits left, Credits right) => left.Value >= right.Value;

    public int CompareTo(Credits other) => Value.CompareTo(other.Value);

    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}
