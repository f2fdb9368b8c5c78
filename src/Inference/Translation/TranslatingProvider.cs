using System.Runtime.CompilerServices;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// A backend that is asked in its own API whatever API the caller speaks: chat completions and messages become each other, request and reply; what it has no
/// word for is refused by the member's name.
/// </summary>
internal sealed class TranslatingProvider(IProvider inner, BackendKind kind, TimeProvider time) : IProvider
{
    public string Name => inner.Name;

    public KeyRing Keys => inner.Keys;

    public ApiError? Check(Operation operation, ReadOnlySpan<byte> body)
    {
        if (IsNative(operation))
        {
            return null;
        }

        using var translated = new SensitiveBuffer(body.Length + 256);
        return Translate(operation, body, translated)?.ToError();
    }

    public ValueTask<Attempt> TryAsync(ProviderCall call, string model, KeySlot key) =>
        IsNative(call.Operation) ? inner.TryAsync(call, model, key) : TryTranslatedAsync(call, model, key);

    public void Dispose() => inner.Dispose();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Attempt> TryTranslatedAsync(ProviderCall call, string model, KeySlot key)
    {
        // Room for what is added, so that the prompt is not copied about.
        using var translated = new SensitiveBuffer(call.Body.Length + (call.Body.Length / 8) + 256);
        if (Translate(call.Operation, call.Body.Span, translated) is { } refusal)
        {
            return new Attempt(null, AttemptFailure.Rejected) { Error = refusal.ToError() };
        }

        ReplyTranslator translator = Translator(call);
        Attempt attempt = await inner.TryAsync(
            call.As(kind == BackendKind.Anthropic ? Operation.Messages : Operation.ChatCompletions, translated.WrittenMemory), model, key);

        // The provider names the members of the request that it saw, which the caller did not write.
        return attempt with
        {
            Reply = attempt.Reply is null ? null : new TranslatedReply(attempt.Reply, translator),
            Error = attempt.Error is null ? null : attempt.Error with { Param = null },
        };
    }

    private bool IsNative(Operation operation) => (operation == Operation.Messages) == (kind == BackendKind.Anthropic);

    private static Refusal? Translate(Operation operation, ReadOnlySpan<byte> body, SensitiveBuffer output) => operation switch
    {
        Operation.ChatCompletions => ChatToMessages.Translate(body, output),
        Operation.Messages => MessagesToChat.Translate(body, output),
        _ => Refusal.Value("This model is not asked this way. Ask it for a chat completion or a message, or ask another model.", "model"),
    };

    private ReplyTranslator Translator(ProviderCall call)
    {
        var request = new JsonSlice(call.Body.Span);
        if (call.Operation == Operation.Messages)
        {
            JsonSlice thinking = request["thinking"u8];
            return new MessagesReplyFromChat(!thinking.IsAbsent && !thinking["type"u8].Is("disabled"u8));
        }

        return new ChatReplyFromMessages(request["stream_options"u8]["include_usage"u8].IsTrue, time.GetUtcNow().ToUnixTimeSeconds());
    }
}
