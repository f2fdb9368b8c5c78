using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Work;

/// <summary>For which requests, and how much, proof of work is asked. What is not listed never needs any.</summary>
public sealed record WorkOptions
{
    /// <summary>The kinds of requests that work is asked for: <c>registration</c>, <c>device</c>, <c>token</c>, <c>sealed</c>. Default: registrations and devices.</summary>
    public IReadOnlyList<string> For { get; init; } = [WorkKinds.Registration, WorkKinds.Device];

    /// <summary>Zero bits that are asked for when there is nothing to do; 0 asks for no work then. Default 0.</summary>
    public int MinBits { get; init; }

    /// <summary>The most that is asked for, 2 to its power hashes in the mean. Default 22: about half a second for one core of a server, longer elsewhere.</summary>
    public int MaxBits { get; init; } = 22;

    /// <summary>Zero bits that a registration needs at the least. Default 18.</summary>
    public int RegistrationBits { get; init; } = 18;

    /// <summary>The load, in percent of what this instance can bear, from which on more is asked for each second. Default 80.</summary>
    public int RaiseAt { get; init; } = 80;

    /// <summary>The load below which, after ten seconds, less is asked for. Default 50.</summary>
    public int LowerAt { get; init; } = 50;

    /// <summary>Live replies that count as a full load. Default 1000.</summary>
    public int FullAtReplies { get; init; } = 1000;

    /// <summary>How long one challenge is given out; it is taken for as long again. Default 2 minutes.</summary>
    public TimeSpan Epoch { get; init; } = TimeSpan.FromMinutes(2);

    internal void Validate(SettingsValidation validation, string name) => validation
        .Require(
            For.All(kind => WorkKinds.All.Contains(kind)), $"{name}:For", "a kind of request is unknown", $"Use {string.Join(", ", WorkKinds.All)}.")
        .RequireRange(MinBits, 0, WorkStamp.MaxBits, $"{name}:MinBits")
        .RequireRange(MaxBits, Math.Max(MinBits, 1), WorkStamp.MaxBits, $"{name}:MaxBits")
        .RequireRange(RegistrationBits, 0, WorkStamp.MaxBits, $"{name}:RegistrationBits")
        .RequireRange(RaiseAt, 1, 100, $"{name}:RaiseAt")
        .RequireRange(LowerAt, 0, RaiseAt - 1, $"{name}:LowerAt")
        .RequireRange(FullAtReplies, 1, 1 << 24, $"{name}:FullAtReplies")
        .RequireRange(Epoch, TimeSpan.FromSeconds(10), TimeSpan.FromHours(1), $"{name}:Epoch");
}

/// <summary>The kinds of requests that work can be asked for.</summary>
public static class WorkKinds
{
    public const string Registration = "registration";
    public const string Device = "device";
    public const string Token = "token";
    public const string Sealed = "sealed";

    public static IReadOnlyList<string> All { get; } = [Registration, Device, Token, Sealed];
}
