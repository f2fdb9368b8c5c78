namespace Tacit.Cli.Window;

/// <summary>A browser of Chromium's family, which can show a page as a window of its own.</summary>
/// <param name="File">Its program.</param>
/// <param name="Profile">The folder of a profile that nothing but this window uses.</param>
internal sealed record AppBrowser(string File, string Profile)
{
    // The first that is there. Those at the end come from Flatpak; what comes from Snap is found by the names at the beginning.
    private static readonly string[] s_names =
    [
        "chromium", "chromium-browser", "ungoogled-chromium", "google-chrome-stable", "google-chrome", "brave-browser", "brave-browser-stable", "brave", "microsoft-edge-stable", "microsoft-edge",
        "vivaldi-stable", "vivaldi", "org.chromium.Chromium", "io.github.ungoogled_software.ungoogled_chromium", "com.google.Chrome", "com.brave.Browser", "com.microsoft.Edge",
    ];

    private static readonly string[] s_macPrograms =
    [
        "/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Brave Browser.app/Contents/MacOS/Brave Browser", "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ];

    /// <summary>
    /// What these browsers ask by themselves, whatever their switches say: updates of their parts, who is signed in, word lists, experiments. In this window none of these names resolves.
    /// </summary>
    private static readonly string[] s_ownServers =
    [
        "*.googleapis.com", "accounts.google.com", "clients*.google.com", "*.clients.google.com", "safebrowsing.google.com", "sb-ssl.google.com", "mtalk.google.com", "*.gvt1.com", "*.gvt2.com",
        "*.brave.com", "*.bravesoftware.com", "*.brave.software", "edge.microsoft.com", "*.edge.microsoft.com", "*.edge.skype.com", "*.msedge.net", "*.events.data.microsoft.com",
        "*.smartscreen.microsoft.com", "ntp.msn.com", "*.vivaldi.com",
    ];

    /// <param name="data">The data folder.</param>
    public static AppBrowser? Find(Surroundings surroundings, string data)
    {
        foreach (string name in surroundings.IsMac ? s_macPrograms : s_names)
        {
            if (surroundings.Find(name) is string file)
            {
                return new AppBrowser(file, ProfileFor(surroundings, name, file, data));
            }
        }
        return null;
    }

    /// <summary>A browser in a sandbox of Snap or Flatpak cannot write to the data folder, but to its own.</summary>
    private static string ProfileFor(Surroundings surroundings, string name, string file, string data)
    {
        if (name.Contains('.', StringComparison.Ordinal) && !Path.IsPathRooted(name))
        {
            return Path.Combine(surroundings.Home, ".var/app", name, "data/tacit");
        }
        string snap = Path.Combine("/snap/bin", name == "chromium-browser" ? "chromium" : name);
        return file.StartsWith("/snap/", StringComparison.Ordinal) || (name == "chromium-browser" && System.IO.File.Exists(snap))
            ? Path.Combine(surroundings.Home, "snap", Path.GetFileName(snap), "common/tacit")
            : Path.Combine(data, "window");
    }

    /// <summary>Whether a window with this profile is there already: the one that is started hands over to it, and ends.</summary>
    public bool IsOpen()
    {
        try
        {
            // SingletonLock is a symbolic link to HOST-PID.
            return new FileInfo(Path.Combine(Profile, "SingletonLock")).LinkTarget is string target
                && int.TryParse(target[(target.LastIndexOf('-') + 1)..], out int pid) && Directory.Exists($"/proc/{pid}");
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>
    /// A window without tabs, whose browser keeps nothing (what was typed would be in its session's files) and asks nobody by itself. Its sandbox stays on.
    /// </summary>
    public IReadOnlyList<string> ArgumentsFor(Uri page) =>
    [
        $"--app={page}", $"--user-data-dir={Profile}", "--class=tacit", "--incognito", "--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
        "--disable-default-apps", "--disable-sync", "--disable-extensions", "--disable-domain-reliability", "--disable-client-side-phishing-detection", "--disable-breakpad",
        "--disable-search-engine-choice-screen", "--metrics-recording-only", "--no-pings", "--no-service-autorun", "--password-store=basic", "--disable-component-extensions-with-background-pages",
        "--disable-features=AutofillServerCommunication,CertificateTransparencyComponentUpdater,DialMediaRouteProvider,InterestFeedContentSuggestions,MediaRouter,NetworkTimeServiceQuerying,"
            + "OptimizationGuideModelDownloading,OptimizationHints,OptimizationHintsFetching,Translate",
        $"--host-resolver-rules={string.Join(", ", s_ownServers.Select(server => $"MAP {server} ~NOTFOUND"))}",
    ];
}
