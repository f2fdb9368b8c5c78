using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;

namespace Tacit.Inference;

/// <summary>
/// Keeps what the keys have used over restarts, in one small file that is replaced once a minute while something changes. What a crash loses of it is at most
/// that minute: a budget is no ledger.
/// </summary>
internal sealed partial class UsageFile : IDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMinutes(1);

    private readonly string _path;
    private readonly IReadOnlyDictionary<string, KeyUsage> _keys;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private string _written = "";

    /// <param name="path">The file.</param>
    /// <param name="keys">By the name of their backend and their number: <c>openai/1</c>.</param>
    public UsageFile(string path, IReadOnlyDictionary<string, KeyUsage> keys, TimeProvider time, ILogger log)
    {
        _path = path;
        _keys = keys;
        _time = time;
        _log = log;
        Load();
        _timer = time.CreateTimer(static file => ((UsageFile)file!).Save(), this, s_interval, s_interval);
    }

    public void Dispose()
    {
        _timer.Dispose();
        Save();
    }

    private void Load()
    {
        try
        {
            if (!File.Exists(_path) || JsonSerializer.Deserialize(File.ReadAllBytes(_path), UsageJson.Default.Kept) is not { } kept)
            {
                return;
            }

            DateOnly on = DateOnly.ParseExact(kept.Day, "yyyy-MM-dd", CultureInfo.InvariantCulture);
            foreach ((string name, KeptKey key) in kept.Keys)
            {
                if (_keys.TryGetValue(name, out KeyUsage? usage))
                {
                    usage.Restore(on, key.Day, key.Month);
                }
            }
        }
        catch (Exception e) when (e is JsonException or FormatException or IOException or UnauthorizedAccessException)
        {
            LogNotRead(_log, Path.GetFileName(_path));
        }
    }

    private void Save()
    {
        lock (_gate)
        {
            string text = JsonSerializer.Serialize(
                new Kept(
                    DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                    _keys.ToDictionary(key => key.Key, key =>
                    {
                        (UsageSums day, UsageSums month) = key.Value.Read();
                        return new KeptKey(day, month);
                    })),
                UsageJson.Default.Kept);
            if (text == _written)
            {
                return;
            }

            try
            {
                File.WriteAllText(_path + ".new", text);
                File.Move(_path + ".new", _path, overwrite: true);
                _written = text;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                LogNotWritten(_log, Path.GetFileName(_path));
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{File} cannot be read: what the provider keys have used this month is counted from nothing")]
    private static partial void LogNotRead(ILogger log, string file);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{File} cannot be written: a restart would forget what the provider keys have used")]
    private static partial void LogNotWritten(ILogger log, string file);

    internal sealed record Kept(string Day, Dictionary<string, KeptKey> Keys);

    internal sealed record KeptKey(UsageSums Day, UsageSums Month);
}

[JsonSerializable(typeof(UsageFile.Kept))]
internal sealed partial class UsageJson : JsonSerializerContext;
