using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Tacit.EndToEnd.Support;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Tests;

/// <summary>What a start needs, and what it says when that is missing.</summary>
public sealed class StartTests
{
    [Fact]
    public async Task Start_under_a_name_that_the_directory_does_not_list_says_so()
    {
        await using TestGateway gateway = await TestGateway.PrepareAsync(prepare => prepare.Configure = options => options with { Name = "unlisted.test" });
        SettingsException error = await Assert.ThrowsAsync<SettingsException>(gateway.StartAsync);
        Assert.Contains("unlisted.test", error.Message, StringComparison.Ordinal);
        Assert.Contains(TestIssuer.GatewayName, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_with_another_directory_key_is_refused()
    {
        await using TestGateway gateway = await TestGateway.PrepareAsync(prepare =>
            prepare.Configure = options => options with { DirectoryKey = new TestIssuer().DirectoryKey });
        SettingsException error = await Assert.ThrowsAsync<SettingsException>(gateway.StartAsync);
        Assert.Contains("DirectoryKey", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_with_wrong_settings_names_them_all()
    {
        await using TestGateway gateway = await TestGateway.PrepareAsync(prepare =>
            prepare.Configure = options => options with { DirectoryKey = "short", KeepReplies = TimeSpan.FromDays(1), Name = "a b" });
        SettingsException error = await Assert.ThrowsAsync<SettingsException>(gateway.StartAsync);
        Assert.Equal(["Name", "DirectoryKey", "KeepReplies"], error.Problems.Select(problem => problem.Key));
    }

    [Fact]
    public async Task Start_without_the_issuer_works_from_the_kept_directory_only()
    {
        await using TestGateway gateway = await TestGateway.PrepareAsync();
        DirectoryFetch issuer = gateway.Fetch;
        gateway.Fetch = _ => throw new HttpRequestException("down");
        await Assert.ThrowsAsync<SettingsException>(gateway.StartAsync);
        gateway.Fetch = issuer;
        await gateway.StartAsync();
        await gateway.StopAsync();
        gateway.Fetch = _ => throw new HttpRequestException("down");
        await gateway.StartAsync();
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await response.IsReplyAsync();
    }

    [Fact]
    public async Task Kept_directory_that_was_changed_on_disk_is_not_believed()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        await gateway.StopAsync();
        string path = Path.Combine(gateway.Folder, "issuer-directory.json");
        string document = await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(path, document.Replace("\"maxInputBytes\":4096", "\"maxInputBytes\":9999", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        gateway.Fetch = _ => throw new HttpRequestException("down");
        await Assert.ThrowsAsync<SettingsException>(gateway.StartAsync);
    }

    [Fact]
    public async Task Directory_is_fetched_over_http()
    {
        await using TestGateway gateway = await TestGateway.PrepareAsync();
        byte[] document = (await gateway.Fetch(TestContext.Current.CancellationToken)).ToArray();
        gateway.Provider.Answer = async context =>
        {
            Assert.Equal(Routes.IssuerDirectory, context.Request.Path.Value);
            context.Response.ContentLength = document.Length;
            await context.Response.Body.WriteAsync(document, context.RequestAborted);
        };
        gateway.Fetch = DirectorySource.Http(new Uri(gateway.Provider.BaseUrl, "/"));
        await gateway.StartAsync();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Directory_that_goes_back_or_forks_is_not_taken_up()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        byte[] first = (await gateway.Fetch(TestContext.Current.CancellationToken)).ToArray();
        await gateway.PublishAsync();
        await RefusesAsync(gateway, first);

        // Another directory of the same number, with the issuer's own signature: what it would take to single someone out.
        using var twin = new TestIssuer();
        await RefusesAsync(gateway, twin.Publish());
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await response.IsReplyAsync();
    }

    [Fact]
    public async Task Port_in_use_is_named_and_everything_is_given_back()
    {
        int port = FreePorts.Take(1);
        using var occupied = new TcpListener(IPAddress.Loopback, port);
        occupied.Start();
        await using TestGateway gateway = await TestGateway.PrepareAsync(prepare =>
            prepare.Configure = options => options with { Listen = ListenAddress.Loopback(port) });
        AddressInUseException error = await Assert.ThrowsAsync<AddressInUseException>(gateway.StartAsync);
        Assert.Contains($"{port}", error.Message, StringComparison.Ordinal);
        occupied.Stop();
        await gateway.StartAsync();
        Assert.Equal(port, gateway.Address.Port);
    }

    [Fact]
    public async Task Second_gateway_on_one_data_folder_is_refused()
    {
        await using TestGateway first = await TestGateway.CreateAsync();
        await using TestGateway second = await TestGateway.PrepareAsync(prepare => prepare.Configure = options => options with { DataDirectory = first.Folder });
        StorageException error = await Assert.ThrowsAsync<StorageException>(second.StartAsync);
        Assert.Equal(StorageErrorKind.Locked, error.Kind);
    }

    [Fact]
    public async Task Damaged_database_is_refused()
    {
        await using TestGateway gateway = await TestGateway.PrepareAsync();
        await File.WriteAllBytesAsync(Path.Combine(gateway.Folder, "gateway.db"), RandomNumberGenerator.GetBytes(8192), TestContext.Current.CancellationToken);
        StorageException error = await Assert.ThrowsAsync<StorageException>(gateway.StartAsync);
        Assert.Equal(StorageErrorKind.Corrupt, error.Kind);
    }

    [Fact]
    public async Task Directory_is_refreshed_again_after_a_disk_that_took_nothing()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        await gateway.StopAsync();
        Period april = TestGateway.March.Next;
        await SqliteFile.ExecuteAsync(
            Path.Combine(gateway.Folder, "gateway.db"),
            $"CREATE TRIGGER full BEFORE INSERT ON periods WHEN NEW.deadline = {april.Deadline.ToUnixTimeSeconds()} BEGIN SELECT RAISE(ABORT, 'full'); END");
        await gateway.StartAsync();

        gateway.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "next" }, april);
        await RefusesAsync(gateway, gateway.Issuer.Publish());
        gateway.Issuer.RemovePlan("next");
        await gateway.PublishAsync();
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await response.IsReplyAsync();
    }

    [Fact]
    public async Task Instance_id_stays_with_the_data_folder()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        byte[] id = await File.ReadAllBytesAsync(Path.Combine(gateway.Folder, "instance-id"), TestContext.Current.CancellationToken);
        await gateway.StopAsync();
        await gateway.StartAsync();
        Assert.Equal(id, await File.ReadAllBytesAsync(Path.Combine(gateway.Folder, "instance-id"), TestContext.Current.CancellationToken));
        Assert.True(Base64Url.EncodeToString(id).Length > 20);
    }

    [Fact(Timeout = 300_000)]
    public async Task Gateway_that_keeps_its_lease_is_ready()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        gateway.Time.Advance(TimeSpan.FromSeconds(60));
        HttpResponseMessage ready = await gateway.SendAsync(HttpMethod.Get, Routes.HealthReady);
        while (ready.StatusCode != HttpStatusCode.OK)
        {
            // A heartbeat counts from when it was begun, and is written behind the clock's back. One that never comes runs into the test's time limit.
            ready.Dispose();
            await Task.Delay(10, TestContext.Current.CancellationToken);
            gateway.Time.Advance(TimeSpan.FromSeconds(10));
            ready = await gateway.SendAsync(HttpMethod.Get, Routes.HealthReady);
        }

        using HttpResponseMessage held = ready;
        using HttpResponseMessage live = await gateway.SendAsync(HttpMethod.Get, Routes.HealthLive);
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
    }

    private static async Task RefusesAsync(TestGateway gateway, byte[] directory)
    {
        int before = gateway.Log.Lines.Count(line => line.Contains("was not refreshed", StringComparison.Ordinal));
        gateway.Fetch = _ => ValueTask.FromResult<ReadOnlyMemory<byte>>(directory);
        gateway.Time.Advance(TimeSpan.FromMinutes(5));
        await TestGateway.UntilAsync(() => gateway.Log.Lines.Count(line => line.Contains("was not refreshed", StringComparison.Ordinal)) > before);
    }

    [Fact]
    public async Task Spend_rows_hold_no_time_and_no_order()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await response.IsReplyAsync();
        await gateway.StopAsync();
        string schema = await SqliteFile.SchemaAsync(Path.Combine(gateway.Folder, "gateway.db"), "spends_");
        Assert.Contains("WITHOUT ROWID", schema, StringComparison.Ordinal);
        Assert.Equal(
            ["spend_id", "request_tag", "owner", "state", "returns", "takeovers", "successor", "renewal_refused"],
            schema.Split('\n').Select(line => line.Trim().Split(' ')[0]).Where(word => word.Length > 0 && char.IsAsciiLetterLower(word[0])));
        await gateway.StartAsync();
    }

    [Fact]
    public async Task Directory_in_use_is_shown_as_the_issuer_signed_it()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        ReadOnlyMemory<byte> published = await gateway.Fetch(TestContext.Current.CancellationToken);
        using HttpResponseMessage shown = await gateway.SendAsync(HttpMethod.Get, Routes.IssuerDirectory);
        Assert.Equal(MediaTypes.IssuerDirectory, shown.Content.Headers.ContentType?.MediaType);
        Assert.Equal(published.ToArray(), await shown.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken));
    }
}
