using System.Globalization;
using Tacit.Client;

namespace Tacit.App;

/// <summary>
/// The response header <c>Tacit-Notice</c>: what a person should know of how a request was paid, as a list of words. <c>filled-at-prompt</c>: the wallet was
/// empty and was filled for it. <c>larger-plan</c>: the plan of this name no longer takes the conversation, so a larger one paid. <c>trimmed</c>: so many of its
/// oldest messages were left out. <c>linkable</c>: the gateway was shown a pseudonym of this kind, by which it can link requests to each other.
/// </summary>
public static class PromptNotices
{
    /// <summary>What whoever uses a device's key is told.</summary>
    public const string OfDevices = "The gateway can link all questions of this device to each other: one key signs them.";

    private const string FilledAtPrompt = "filled-at-prompt";
    private const string LargerPlan = "larger-plan";
    private const string Trimmed = "trimmed";
    private const string Linkable = "linkable";

    /// <summary>The header's value; empty if there is nothing to tell.</summary>
    public static string Of(PromptReply reply)
    {
        ArgumentNullException.ThrowIfNull(reply);
        List<string> words = [];
        if (reply.FilledAtPrompt)
        {
            words.Add(FilledAtPrompt);
        }
        if (reply.TrimmedMessages > 0)
        {
            words.Add(string.Create(CultureInfo.InvariantCulture, $"{Trimmed}={reply.TrimmedMessages}"));
        }
        if (reply.Outgrown is string outgrown)
        {
            words.Add($"{LargerPlan}={outgrown}");
        }
        if (reply.Linkable is string kind)
        {
            words.Add($"{Linkable}={kind}");
        }
        return string.Join(", ", words);
    }

    /// <summary>The header's words as sentences.</summary>
    /// <param name="header">What <see cref="Of"/> gave.</param>
    /// <param name="plan">The plan that paid.</param>
    public static IEnumerable<string> Explain(string header, string? plan)
    {
        ArgumentNullException.ThrowIfNull(header);
        foreach (string word in header.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = word.Split('=', 2);
            switch (parts[0])
            {
                case FilledAtPrompt:
                    yield return "The wallet was empty and was filled for this question: for whoever sees both issuer and gateway, the two are linked by time. "
                        + "`tacit wallet fill` ahead of time avoids that.";
                    break;
                case LargerPlan when parts.Length == 2:
                    yield return $"The question no longer fits the plan {parts[1]}: {plan ?? "a larger plan"} paid for it.";
                    break;
                case Linkable when parts.Length == 2 && parts[1] == DeviceClient.PlanName:
                    yield return OfDevices;
                    break;
                case Linkable when parts.Length == 2:
                    yield return "The gateway can link this question to your others, by a pseudonym: "
                        + (parts[1] == "transient" ? "those of the same period." : "all that you ever ask it.");
                    break;
                case Trimmed when parts.Length == 2:
                    yield return $"The conversation no longer fits its plan: its {parts[1]} oldest messages were left out.";
                    break;
            }
        }
    }
}
