using System.Collections.Frozen;
using System.Globalization;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>What becomes of the token of a prompt that went no further.</summary>
public enum RefusedToken
{
    /// <summary>It stays spent.</summary>
    Spent,

    /// <summary>It is given back, unless it was before.</summary>
    ReturnedOnce,

    /// <summary>It is given back as after any failure that is not the client's doing.</summary>
    Returned,
}

/// <summary>Why a prompt goes no further.</summary>
/// <param name="Error">What its sender is told: never which rule or category, which would be a lesson in getting round it.</param>
/// <param name="Token">What becomes of the token.</param>
/// <param name="EndsChain">Whether a chain that paid for it ends.</param>
public sealed record ModerationRefusal(ApiError Error, RefusedToken Token, bool EndsChain);

/// <summary>
/// Judges prompts by the policy of their plan, in memory: nothing of a prompt, and no verdict, is written or counted anywhere. Thread safe.
/// </summary>
public sealed class Moderator : IDisposable
{
    private readonly FrozenDictionary<string, Judge?> _byPlan;
    private readonly Judge? _default;
    private readonly Judge[] _judges;

    internal Moderator(ModerationOptions options, TimeProvider time)
    {
        _judges = [.. options.Policies.Select(policy => new Judge(policy, time))];
        Judge? Find(string? name) => string.IsNullOrEmpty(name) ? null : _judges.First(judge => judge.Policy.Name == name);
        _default = Find(options.Default);
        _byPlan = options.Plans.ToFrozenDictionary(plan => plan.Key, plan => Find(plan.Value), StringComparer.Ordinal);
    }

    /// <summary>Whether any plan is judged at all.</summary>
    public bool IsOn => _default is not null || _byPlan.Values.Any(judge => judge is not null);

    /// <summary>Judges a prompt; null lets it through.</summary>
    /// <param name="planId">The plan that paid for it.</param>
    /// <param name="operation">Its operation.</param>
    /// <param name="body">The filtered body. Not kept.</param>
    /// <param name="cancellationToken">The sender has cancelled.</param>
    public async ValueTask<ModerationRefusal?> JudgeAsync(string planId, Operation operation, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        Judge? judge = _byPlan.TryGetValue(planId, out Judge? own) ? own : _default;
        return judge is null ? null : await judge.JudgeAsync(operation, body, cancellationToken);
    }

    public void Dispose()
    {
        foreach (Judge judge in _judges)
        {
            judge.Dispose();
        }
    }

    private sealed class Judge(ModerationPolicy policy, TimeProvider time) : IDisposable
    {
        private readonly RuleList _rules = new(policy.Rules, policy.RuleTimeout);
        private readonly ModerationService? _service = policy.Service is null ? null : new ModerationService(policy.Service, time);

        public ModerationPolicy Policy => policy;

        public async ValueTask<ModerationRefusal?> JudgeAsync(Operation operation, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        {
            using PromptContent content = PromptContent.Read(operation, body.Span);
            switch (_rules.Judge(content.Text.Span))
            {
                case RuleVerdict.Match:
                    return Refused();
                case RuleVerdict.TimedOut when policy.OnFailure == ModerationFailure.Refuse:
                    // The sender chose the text, and with it the time: it could be had again and again.
                    return Unjudged("A rule of this gateway's operator could not be applied to the prompt in time.", RefusedToken.Spent);
                default:
                    break;
            }

            // Every image is a call, and one prompt has room for thousands: all others would wait behind it, or find the service's rate used up.
            int images = policy.Service?.MaxImages ?? 0;
            if ((content.HasOther || content.Images > images) && policy.OnUnchecked == ModerationFailure.Refuse)
            {
                return new ModerationRefusal(
                    ApiError.Create(
                        ErrorCodes.ContentRefused, "The prompt has parts that this gateway's operator cannot have checked, and passes on none of those: send text"
                        + (images == 0 ? "." : string.Create(CultureInfo.InvariantCulture, $" and at most {images} images."))),
                    Fate(), EndsChain: false);
            }

            return _service is null ? null : await _service.JudgeAsync(content, cancellationToken) switch
            {
                ServiceVerdict.Flagged => Refused(),
                ServiceVerdict.Rejected when policy.OnFailure == ModerationFailure.Refuse =>
                    Unjudged("The operator's moderation service cannot judge this prompt.", RefusedToken.Spent),
                ServiceVerdict.Failed when policy.OnFailure == ModerationFailure.Refuse =>
                    Unjudged("The operator's moderation service does not answer; try again later.", RefusedToken.Returned),
                _ => null,
            };
        }

        public void Dispose() => _service?.Dispose();

        private RefusedToken Fate() => policy.ReturnToken ? RefusedToken.ReturnedOnce : RefusedToken.Spent;

        private ModerationRefusal Refused() => new(
            ApiError.Create(ErrorCodes.ContentRefused, "The moderation of this gateway's operator refuses this prompt; no provider has seen it."), Fate(), policy.EndChain);

        private static ModerationRefusal Unjudged(string message, RefusedToken token) =>
            new(ApiError.Create(ErrorCodes.ModerationUnavailable, message), token, EndsChain: false);
    }
}
