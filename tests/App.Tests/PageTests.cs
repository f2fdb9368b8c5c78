using System.Diagnostics;
using System.Net;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Tacit.App.Tests;

/// <summary>The page as it is built into the app: how it is served, how large it is, and the tests that its own parts have. Skipped where the build had no Node.</summary>
public sealed partial class PageTests
{
    private const int MostScriptBytes = 400_000;

    [Fact]
    public async Task Document_is_served_under_a_policy_that_lets_it_load_its_own_files_only()
    {
        RequirePage();
        await using TestApp app = await TestApp.StartAsync(tokens: 0, credits: 0);

        using HttpResponseMessage response = await app.SendAsync(HttpMethod.Get, "/");

        Assert.Equal("text/html", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal(PageDocument.ContentSecurityPolicy, Assert.Single(response.Headers.GetValues("Content-Security-Policy")));
        Assert.DoesNotContain("unsafe", PageDocument.ContentSecurityPolicy, StringComparison.Ordinal);
        Assert.Equal("no-cache", response.Headers.CacheControl?.ToString());
        string document = await response.Content.ReadAsStringAsync();
        Assert.DoesNotMatch(InlineCode(), document);
        Assert.All(Addresses().Matches(document), address => Assert.StartsWith("/", address.Groups[1].Value, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_file_of_the_document_is_there_compressed_and_known_again()
    {
        RequirePage();
        await using TestApp app = await TestApp.StartAsync(tokens: 0, credits: 0);
        string document;
        using (HttpResponseMessage response = await app.SendAsync(HttpMethod.Get, "/"))
        {
            document = await response.Content.ReadAsStringAsync();
        }
        foreach (string address in Addresses().Matches(document).Select(match => match.Groups[1].Value).Append("/icon.svg").Distinct())
        {
            bool isPicture = address.EndsWith(".png", StringComparison.Ordinal);
            using HttpResponseMessage packed = await app.SendAsync(HttpMethod.Get, address, change: request => request.Headers.TryAddWithoutValidation("Accept-Encoding", "gzip, br"));
            Assert.Equal(HttpStatusCode.OK, packed.StatusCode);
            Assert.Equal(isPicture ? [] : ["br"], packed.Content.Headers.ContentEncoding);
            Assert.Equal(address.StartsWith("/assets/", StringComparison.Ordinal), packed.Headers.CacheControl?.Extensions.Any(one => one.Name == "immutable") ?? false);

            string tag = packed.Headers.ETag!.ToString();
            using HttpResponseMessage again = await app.SendAsync(HttpMethod.Get, address, change: request =>
            {
                request.Headers.TryAddWithoutValidation("Accept-Encoding", "gzip, br");
                request.Headers.TryAddWithoutValidation("If-None-Match", tag);
            });
            Assert.Equal(HttpStatusCode.NotModified, again.StatusCode);
        }
    }

    [Fact]
    public void Script_that_is_loaded_at_once_stays_small()
    {
        RequirePage();
        string document = Read("page/index.html.br");
        long bytes = Addresses().Matches(document).Select(match => match.Groups[1].Value).Where(address => address.EndsWith(".js", StringComparison.Ordinal)).Distinct()
            .Sum(address => Open($"page{address}.br").Length);

        Assert.InRange(bytes, 10_000, MostScriptBytes);
    }

    [Fact]
    public void Parts_of_the_page_pass_their_own_tests() => Run("node", "build.mjs --test");

    [Fact]
    public void Types_of_the_page_hold() => Run("node", "node_modules/typescript/bin/tsc --noEmit");

    private static void Run(string program, string arguments)
    {
        RequirePage();
        string folder = Path.Combine(WireTests.Root(), "src", "App", "web");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules")), "The page's packages are not here.");
        using Process? process = Start(program, arguments, folder);
        Assert.SkipWhen(process is null, "Node is not in the PATH.");
        Task<string> error = process!.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, output + error.Result);
    }

    private static Process? Start(string program, string arguments, string folder)
    {
        try
        {
            return Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true });
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static void RequirePage() =>
        Assert.SkipUnless(typeof(AppServer).Assembly.GetManifestResourceNames().Contains("page/index.html.br"), "The app was built without its page: Node 20 or npm was not there.");

    private static Stream Open(string resource)
    {
        Stream? content = typeof(AppServer).Assembly.GetManifestResourceStream(resource);
        Assert.True(content is not null, resource);
        return content;
    }

    private static string Read(string resource)
    {
        using var unpacked = new StreamReader(new System.IO.Compression.BrotliStream(Open(resource), System.IO.Compression.CompressionMode.Decompress));
        return unpacked.ReadToEnd();
    }

    [GeneratedRegex("""<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=""", RegexOptions.IgnoreCase)]
    private static partial Regex InlineCode();

    [GeneratedRegex("\\s(?:src|href)=\"([^\"]*)\"")]
    private static partial Regex Addresses();
}
