namespace Tacit.Hosting.Metrics;

/// <summary>Where a role tells its operator how it does: the group <c>Metrics</c> of its settings. Off unless set, and then nothing is measured either.</summary>
public sealed record MetricsOptions
{
    /// <summary>
    /// Where <c>GET /metrics</c> answers in Prometheus' text format: loopback or a Unix socket, never the role's public address. Default: nowhere.
    /// </summary>
    public ListenAddress? Listen { get; init; }

    /// <summary>Base URL of an OpenTelemetry collector, to which the same is sent (OTLP, protobuf over HTTP): HTTPS, or HTTP on this machine. Default: none.</summary>
    public Uri? Otlp { get; init; }

    /// <summary>Whether anything is measured.</summary>
    public bool IsOn => Listen is not null || Otlp is not null;

    /// <param name="validation">Takes what is wrong.</param>
    /// <param name="role">Where the role itself listens.</param>
    public void Validate(SettingsValidation validation, ListenAddress? role)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation
            .Require(
                Listen is null or { IsLoopback: true }, "Metrics:Listen", $"{Listen} can be reached from other machines",
                "Use 127.0.0.1:PORT or unix:/path/to.sock. Let a collector on this machine, or a tunnel, carry the figures away.")
            .Require(
                Listen is null || Listen.EndPoint is { Port: 0 } || !Listen.ToString().Equals(role?.ToString(), StringComparison.Ordinal), "Metrics:Listen",
                "this is the address that the role itself listens on", "Give it another port.")
            .Require(
                Otlp is null || (Otlp.IsAbsoluteUri && (Otlp.Scheme == Uri.UriSchemeHttps || (Otlp.Scheme == Uri.UriSchemeHttp && Otlp.IsLoopback)) && Otlp.UserInfo.Length == 0 && Otlp.Query.Length == 0),
                "Metrics:Otlp", "this is no address of a collector", "Write https://HOST:4318, or http://127.0.0.1:4318 on this machine.");
    }
}
