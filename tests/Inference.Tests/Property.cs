using FsCheck;
using FsCheck.Fluent;

namespace Tacit.Inference.Tests;

/// <summary>Runs a property over generated values: 500 of them, 50,000 with <c>TACIT_SOAK=1</c>.</summary>
internal static class Property
{
    private static readonly Config s_config = Config.QuickThrowOnFailure.WithMaxTest(
        Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 50_000 : 500);

    public static void Holds<T>(Gen<T> values, Action<T> property) =>
        Check.One(s_config, Prop.ForAll(values.ToArbitrary(), property));
}
