using System.Globalization;
using Tacit.Fuzz;

const string Usage = "usage: Tacit.Fuzz TARGET|all [--seconds N] [--seed S] [--count N]";

if (args.Length == 0)
{
    Console.Error.WriteLine(Usage);
    Console.Error.WriteLine("targets: " + string.Join(' ', Targets.All.Select(target => target.Name)));
    return 2;
}

double seconds = 10;
ulong seed = 1;
long count = long.MaxValue;
for (int i = 1; i < args.Length; i += 2)
{
    string value = i + 1 < args.Length ? args[i + 1] : "";
    bool read = args[i] switch
    {
        "--seconds" => double.TryParse(value, CultureInfo.InvariantCulture, out seconds),
        "--seed" => ulong.TryParse(value, CultureInfo.InvariantCulture, out seed),
        "--count" => long.TryParse(value, CultureInfo.InvariantCulture, out count),
        _ => false,
    };
    if (!read)
    {
        Console.Error.WriteLine(Usage);
        return 2;
    }
}

FuzzTarget[] chosen = [.. Targets.All.Where(target => args[0] == "all" || target.Name == args[0])];
if (chosen.Length == 0)
{
    Console.Error.WriteLine($"no target {args[0]}; there are: " + string.Join(' ', Targets.All.Select(target => target.Name)));
    return 2;
}

foreach (FuzzTarget target in chosen)
{
    try
    {
        FuzzResult result = target.RunMany(seed, count, TimeSpan.FromSeconds(seconds), TimeProvider.System);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{target.Name,-18} seed {seed}: {result.Inputs} inputs, {result.Taken} taken, {result.Inputs / Math.Max(result.Elapsed.TotalSeconds, 1e-9):F0}/s"));
    }
    catch (FuzzFailureException e)
    {
        Console.Error.WriteLine(e);
        return 1;
    }
}

return 0;
