using System.Globalization;

namespace Tacit.Cli.Commands;

/// <summary>Amounts in a currency's smallest unit, as people write them.</summary>
internal static class Money
{
    /// <summary>ISO 4217 currencies whose smallest unit is not a hundredth.</summary>
    private static readonly Dictionary<string, int> s_digits = new(StringComparer.OrdinalIgnoreCase)
    {
        ["BIF"] = 0, ["CLP"] = 0, ["DJF"] = 0, ["GNF"] = 0, ["JPY"] = 0, ["KMF"] = 0, ["KRW"] = 0, ["PYG"] = 0, ["RWF"] = 0, ["UGX"] = 0, ["VND"] = 0,
        ["VUV"] = 0, ["XAF"] = 0, ["XOF"] = 0, ["XPF"] = 0, ["BHD"] = 3, ["IQD"] = 3, ["JOD"] = 3, ["KWD"] = 3, ["LYD"] = 3, ["OMR"] = 3, ["TND"] = 3,
    };

    public static string Format(long amount, string currency)
    {
        int digits = s_digits.GetValueOrDefault(currency, 2);
        decimal value = amount / (decimal)Math.Pow(10, digits);
        return value.ToString("N" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) + " " + currency.ToUpperInvariant();
    }
}
