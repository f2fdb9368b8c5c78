using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>: the gateway's list, without telling the gateway which model is looked at.</summary>
internal sealed class ModelsEndpoint(IPromptSender prompts)
{
    public Task ListAsync(HttpContext context) => AnswerAsync(context, models => models);

    public Task GetAsync(HttpContext context)
    {
        string? id = context.Request.RouteValues["id"] as string;
        return AnswerAsync(context, models => Find(models, id));
    }

    private async Task AnswerAsync(HttpContext context, Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>?> choose)
    {
        try
        {
            if (choose(await prompts.GetModelsAsync(context.RequestAborted)) is not ReadOnlyMemory<byte> body)
            {
                await ApiErrors.WriteAsync(context, new ApiFault(404, "invalid_request_error", "model_not_found", "The gateway lists no such model; GET /v1/models lists those there are.", "model"));
                return;
            }
            context.Response.ContentType = "application/json";
            context.Response.Headers.XContentTypeOptions = "nosniff";
            context.Response.ContentLength = body.Length;
            await context.Response.BodyWriter.WriteAsync(body, context.RequestAborted);
        }
        catch (Exception e) when (e is ClientException or StorageException)
        {
            await ApiErrors.WriteAsync(context, ApiErrors.From(e));
        }
    }

    private static ReadOnlyMemory<byte>? Find(ReadOnlyMemory<byte> models, string? id)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(models);
            foreach (JsonElement model in json.RootElement.GetProperty("data").EnumerateArray())
            {
                if (model.GetProperty("id").ValueEquals(id))
                {
                    return JsonSerializer.SerializeToUtf8Bytes(model, AppJson.Default.JsonElement);
                }
            }
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // The gateway's list has not the form it must have: it lists nothing.
        }
        return null;
    }
}
