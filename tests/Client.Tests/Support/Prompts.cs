using System.Text;

namespace Tacit.Client.Tests.Support;

/// <summary>Prompts as OpenAI clients write them, and their replies read whole.</summary>
public static class Prompts
{
    public static byte[] Chat(string text, bool stream = false, string model = TestOperator.Model) => Encoding.UTF8.GetBytes(
        $$"""{"model":"{{model}}","messages":[{"role":"user","content":"{{text}}"}]{{(stream ? ",\"stream\":true" : "")}}}""");

    public static PromptRequest Ask(string text, bool stream = false, string? conversation = null) =>
        new(PromptOperation.ChatCompletions, Chat(text, stream), conversation);

    /// <summary>Asks, reads the reply to its end and completes it.</summary>
    public static async Task<(int Status, string Body, PromptReply Reply)> AnswerAsync(this RedemptionClient client, PromptRequest prompt, CancellationToken cancellationToken = default)
    {
        await using PromptReply reply = await client.SendAsync(prompt, cancellationToken);
        string body = await reply.ReadAllAsync();
        await reply.CompleteAsync(cancellationToken);
        return (reply.Status, body, reply);
    }

    public static async Task<string> ReadAllAsync(this PromptReply reply)
    {
        using var body = new MemoryStream();
        byte[] block = new byte[1024];
        int read;
        while ((read = await reply.ReadAsync(block)) > 0)
        {
            body.Write(block, 0, read);
        }
        return Encoding.UTF8.GetString(body.ToArray());
    }

    /// <summary>What is held once no request is open any more: a reply settles its token just after its last byte.</summary>
    public static async Task<PlanHoldings> SettledAsync(this TacitClient client, string plan = "chat")
    {
        PlanHoldings holdings;
        for (int i = 0; (holdings = await client.HoldingsAsync(plan)).Presented > 0 && i < 12_000; i++)
        {
            await Task.Delay(10);
        }
        return holdings;
    }

    public static async Task<PlanHoldings> HoldingsAsync(this TacitClient client, string plan = "chat") =>
        (await client.Wallet.GetStatusAsync()).Plans.First(entry => entry.Plan == plan);
}
