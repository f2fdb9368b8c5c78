using System.Text.Json;

namespace Tacit.Browser.Support;

/// <summary>Chromium's own log of its network: every request, every connection and every name that was looked up, those of the browser itself included.</summary>
internal static class NetLog
{
    /// <summary>Where Chromium calls by itself, whatever page is open: its own accounts, updates and form help. None of it leads anywhere here.</summary>
    private static readonly string[] s_ownServices = [".google.com", ".googleapis.com", ".gvt1.com", ".googleusercontent.com", ".gstatic.com", "~notfound"];

    /// <summary>What any name of a site is looked up as: through the resolver, which writes it down, and yet without asking anybody.</summary>
    public const string LookedUp = "looked-up.localhost";

    /// <summary>What makes a browser write the log.</summary>
    public static string[] SwitchesFor(string file) =>
        ["--host-resolver-rules=MAP *.test " + LookedUp + ", MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE *.localhost",
            "--log-net-log=" + file, "--net-log-capture-mode=IncludeSensitive", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-domain-reliability"];

    /// <summary>Whom the browser contacted or looked up because of a page: host and port, each once, in order.</summary>
    public static IReadOnlyList<string> Contacted(string file)
    {
        using JsonDocument log = JsonDocument.Parse(Repaired(File.ReadAllText(file)));
        Dictionary<int, string> types = log.RootElement.GetProperty("constants").GetProperty("logEventTypes").EnumerateObject().ToDictionary(type => type.Value.GetInt32(), type => type.Name);
        SortedSet<string> contacted = new(StringComparer.Ordinal);
        foreach (JsonElement one in log.RootElement.GetProperty("events").EnumerateArray())
        {
            if (!one.TryGetProperty("params", out JsonElement parameters))
            {
                continue;
            }

            string type = types[one.GetProperty("type").GetInt32()];
            if (type == "URL_REQUEST_START_JOB" && parameters.TryGetProperty("url", out JsonElement url) && Uri.TryCreate(url.GetString(), UriKind.Absolute, out Uri? asked) && asked.Scheme.StartsWith("http", StringComparison.Ordinal))
            {
                contacted.Add($"{asked.Host}:{asked.Port}");
            }
            else if (type is "HOST_RESOLVER_MANAGER_REQUEST" or "HOST_RESOLVER_MANAGER_JOB" && parameters.TryGetProperty("host", out JsonElement host))
            {
                contacted.Add(host.GetString()!.Replace("http://", "", StringComparison.Ordinal).Replace("https://", "", StringComparison.Ordinal));
            }
            else if (type == "TCP_CONNECT_ATTEMPT" && parameters.TryGetProperty("address", out JsonElement address))
            {
                contacted.Add(address.GetString()!);
            }
        }

        return [.. contacted.Where(one => !s_ownServices.Any(service => one.Split(':')[0].EndsWith(service, StringComparison.Ordinal)))];
    }

    /// <summary>A browser that is closed quickly leaves the end of the log out.</summary>
    private static string Repaired(string text)
    {
        try
        {
            JsonDocument.Parse(text).Dispose();
            return text;
        }
        catch (JsonException)
        {
            return text.TrimEnd().TrimEnd(',') + "]}";
        }
    }
}
