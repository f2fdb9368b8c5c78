using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>
/// How tokens of open plans (<see cref="Plan.Open"/>) are given away. Nothing is stored of it, so what bounds it is rate: one for an address, one for all together, which
/// is the most of the signer's time that giving away can take.
/// </summary>
public sealed record OpenIssuanceOptions
{
    public const int MaxBatchSize = 64;

    /// <summary>
    /// Web pages of these origins may read the directory and ask for open plans' tokens: <c>https://gateway.example</c>, or <c>*</c> for all. Default: none.
    /// </summary>
    public IReadOnlyList<string> Origins { get; init; } = [];

    /// <summary>Most tokens in one request, 1 to 64. Default: 8.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Tokens that one client address gets in a burst. Default: 40.</summary>
    public int AddressBurst { get; init; } = 40;

    /// <summary>Tokens a minute that it gets after that. Default: 10.</summary>
    public int AddressPerMinute { get; init; } = 10;

    /// <summary>Tokens a second for all addresses together, ten times as many at once: also the most rows that a gateway can be made to write for them. Default: 5.</summary>
    public int PerSecond { get; init; } = 5;

    internal void Validate(SettingsValidation validation, string section) => validation
        .Require(
            Origins.All(CrossOrigin.IsOrigin), $"{section}:{nameof(Origins)}", "one of these is no origin",
            "Write each as a browser does: https://gateway.example, with a port only if it is not the scheme's own, and nothing behind it; or * for all.")
        .RequireRange(BatchSize, 1, MaxBatchSize, $"{section}:{nameof(BatchSize)}")
        .RequireRange(AddressBurst, BatchSize, 1_000_000, $"{section}:{nameof(AddressBurst)}")
        .RequireRange(AddressPerMinute, 1, 1_000_000, $"{section}:{nameof(AddressPerMinute)}")
        .RequireRange(PerSecond, 1, 1_000, $"{section}:{nameof(PerSecond)}");
}
