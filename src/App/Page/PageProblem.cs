using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Tacit.Client;
using Tacit.Storage;

namespace Tacit.App;

/// <summary>What the page's API says instead of an answer: problem details (RFC 9457).</summary>
/// <param name="Type">What a program looks at: <c>urn:tacit:problem:</c> and a word that never changes.</param>
/// <param name="Title">The same for every occurrence.</param>
/// <param name="Detail">What happened and what to do; holds no secret.</param>
internal sealed record PageProblem(string Type, string Title, int Status, string? Detail)
{
    /// <summary>The setting that is at fault, by the page's name for it.</summary>
    public string? Member { get; init; }

    private const string Prefix = "urn:tacit:problem:";

    public static PageProblem Of(int status, string word, string title, string? detail = null) => new(Prefix + word, title, status, detail);

    /// <summary>The same error as a program gets from <c>/v1</c>: its code is the word, its text the detail.</summary>
    public static PageProblem From(ApiFault fault)
    {
        string words = fault.Code.Replace('_', ' ');
        return new PageProblem(Prefix + fault.Code.Replace('_', '-'), char.ToUpper(words[0], CultureInfo.InvariantCulture) + words[1..] + ".", fault.Status, fault.Message);
    }

    public static PageProblem Missing(string what) => Of(StatusCodes.Status404NotFound, "not-found", "Not found.", $"There is no such {what}; it may have been deleted.");

    public static PageProblem Malformed(string why) => Of(StatusCodes.Status400BadRequest, "request-malformed", "The request is malformed.", why);

    /// <summary>What an exception means to the page; null if it is none that is meant to come out.</summary>
    public static PageProblem? Explain(Exception e) => e switch
    {
        PageException page => page.Problem,
        ClientException or StorageException => From(ApiErrors.From(e)),
        JsonException => Malformed("The body is not in the form that this call takes."),
        _ => null,
    };

    public async Task WriteAsync(HttpContext context)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }
        context.Response.StatusCode = Status;
        context.Response.ContentType = "application/problem+json";
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        await JsonSerializer.SerializeAsync(context.Response.Body, this, PageJson.Default.PageProblem, context.RequestAborted);
    }
}

/// <summary>A call of the page's that cannot be answered.</summary>
internal sealed class PageException(PageProblem problem) : Exception(problem.Detail ?? problem.Title)
{
    public PageProblem Problem { get; } = problem;
}
