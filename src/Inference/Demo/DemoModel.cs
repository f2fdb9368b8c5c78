using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// The built-in model <c>tacit-demo</c>: a provider without a server. It answers in exactly OpenAI's and Anthropic's shapes, so that every SDK and every
/// part of the path works with it as with a real one.
/// </summary>
internal sealed class DemoModel(TimeSpan eventDelay, TimeProvider time) : IProvider
{
    public string Name => InferenceRouter.DemoModelName;

    public KeyRing Keys { get; } = new([], time);

    public ValueTask<Attempt> TryAsync(ProviderCall call, string model, KeySlot key)
    {
        call.Clock.Begin(new ProviderBudgets());
        DemoPrompt prompt = DemoPrompt.Read(call.Body.Span);
        var reply = new DemoReply(call, eventDelay, time);
        bool written = false;
        try
        {
            switch (call.Operation)
            {
                case Operation.ChatCompletions:
                    new DemoChat(reply, prompt, DemoAnswer.To(prompt, call), NewId("chatcmpl-"), Now()).Write();
                    break;
                case Operation.Responses:
                    new DemoResponse(reply, prompt, DemoAnswer.To(prompt, call), Now()).Write();
                    break;
                case Operation.Messages:
                    new DemoMessages(reply, prompt, DemoAnswer.To(prompt, call)).Write();
                    break;
                default:
                    if (DemoEmbeddings.Write(reply, prompt, call.Body.Span) is { } error)
                    {
                        return ValueTask.FromResult(new Attempt(null, AttemptFailure.Rejected) { Error = error });
                    }

                    break;
            }

            written = true;
            return ValueTask.FromResult(new Attempt(reply, AttemptFailure.None));
        }
        finally
        {
            if (!written)
            {
                reply.Abandon();
            }
        }
    }

    public void Dispose()
    {
    }

    /// <summary>An id of the kind OpenAI gives: random, and kept nowhere.</summary>
    internal static string NewId(string prefix) => prefix + RandomNumberGenerator.GetHexString(32, lowercase: true);

    private long Now() => time.GetUtcNow().ToUnixTimeSeconds();
}

/// <summary>The demo model's reply: made at once, handed on piece by piece.</summary>
internal sealed class DemoReply(ProviderCall call, TimeSpan delay, TimeProvider time) : ReplySource
{
    private readonly SensitiveBuffer _text = new(4096);
    private readonly List<int> _ends = [];
    private int _next;

    public override bool IsEventStream => call.Stream;

    /// <summary>Where the model writes.</summary>
    public SensitiveBuffer Text => _text;

    /// <summary>What was written since the last end is one piece.</summary>
    public void EndPiece() => _ends.Add(_text.WrittenCount);

    public override async ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken)
    {
        // First: a reply that was read whole has ended, and is not interrupted by who cancels behind it.
        if (_next == _ends.Count)
        {
            return false;
        }

        cancellationToken.ThrowIfCancellationRequested();

        if (_ends[^1] > call.MaxReplyBytes)
        {
            throw Failures.TooLarge(call.MaxReplyBytes);
        }

        if (_next > 0 && delay > TimeSpan.Zero)
        {
            using CancellationTokenRegistration registration = call.Clock.Follow(cancellationToken);
            try
            {
                await Task.Delay(delay, time, call.Clock.Token);
            }
            catch (OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw Failures.TimedOut(call.Clock);
            }
        }

        int start = _next == 0 ? 0 : _ends[_next - 1];
        into.Write(_text.WrittenSpan[start.._ends[_next++]]);
        return true;
    }

    /// <summary>Wipes what was written when there will be no reply.</summary>
    public void Abandon() => _text.Dispose();

    public override ValueTask DisposeAsync()
    {
        call.Clock.Dispose();
        _text.Dispose();
        return ValueTask.CompletedTask;
    }
}
