namespace Tacit.Hosting;

/// <summary>One wrong setting: its key as the user writes it, what is wrong with it, and what to do.</summary>
public sealed record SettingsProblem(string Key, string Problem, string Fix)
{
    public override string ToString() => $"{Key}: {Problem}. {Fix}";
}

/// <summary>Settings that cannot be used. Holds every problem found, so that all can be put right at once.</summary>
public sealed class SettingsException(params IReadOnlyList<SettingsProblem> problems) : Exception(string.Join(Environment.NewLine, problems))
{
    public IReadOnlyList<SettingsProblem> Problems { get; } = problems;
}

/// <summary>Collects what is wrong with a set of settings; <see cref="ThrowIfAny"/> reports all of it together.</summary>
public sealed class SettingsValidation
{
    private readonly List<SettingsProblem> _problems = [];

    public IReadOnlyList<SettingsProblem> Problems => _problems;

    public SettingsValidation Add(string key, string problem, string fix)
    {
        _problems.Add(new SettingsProblem(key, problem, fix));
        return this;
    }

    /// <summary>Records a problem unless <paramref name="holds"/>.</summary>
    public SettingsValidation Require(bool holds, string key, string problem, string fix) => holds ? this : Add(key, problem, fix);

    public SettingsValidation RequireRange(long value, long least, long most, string key) =>
        Require(value >= least && value <= most, key, $"{value} is out of range", $"Use a value from {least} to {most}.");

    public SettingsValidation RequireRange(TimeSpan value, TimeSpan least, TimeSpan most, string key) =>
        Require(value >= least && value <= most, key, $"{value} is out of range", $"Use a duration from {least} to {most} (hh:mm:ss).");

    /// <exception cref="SettingsException">At least one problem was recorded.</exception>
    public void ThrowIfAny()
    {
        if (_problems.Count > 0)
        {
            throw new SettingsException(_problems.ToArray());
        }
    }
}

/// <summary>Options of a role: they check themselves at start and say which key is wrong and what to write instead.</summary>
public interface IValidatedSettings
{
    void Validate(SettingsValidation validation);
}
