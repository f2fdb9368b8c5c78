using System.Reflection;
using System.Text;
using System.Text.Json;

namespace Tacit.Protocol.Tests;

public sealed class ErrorTests
{
    [Fact]
    public void Api_error_has_OpenAIs_shape()
    {
        ApiError error = ApiError.Create(ErrorCodes.UnknownMember, "no such member: \"a\u0001\"", "a");

        Assert.Equal(400, error.Status);
        Assert.Equal(
            "{\"error\":{\"message\":\"no such member: \\u0022a\\u0001\\u0022\",\"type\":\"invalid_request_error\",\"param\":\"a\",\"code\":\"unknown_member\"}}",
            Encoding.UTF8.GetString(error.Encode()));
        Assert.Contains("\"param\":null", Encoding.UTF8.GetString(ApiError.Create(ErrorCodes.TokenSpent, "x").Encode()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/messages", ApiDialect.Anthropic)]
    [InlineData("/v1/messages/count_tokens", ApiDialect.Anthropic)]
    [InlineData("/v1/messagesx", ApiDialect.OpenAI)]
    [InlineData("/v1/chat/completions", ApiDialect.OpenAI)]
    [InlineData(null, ApiDialect.OpenAI)]
    public void Path_decides_the_dialect(string? path, ApiDialect dialect) => Assert.Equal(dialect, ApiDialects.Of(path));

    [Fact]
    public void Api_error_has_Anthropics_shape_with_our_code_where_its_SDKs_look()
    {
        Assert.Equal(
            "{\"type\":\"error\",\"error\":{\"message\":\"x\",\"type\":\"not_found_error\",\"param\":\"model\",\"code\":\"model_not_found\",\"details\":{\"error_code\":\"model_not_found\"}},\"request_id\":null}",
            Encoding.UTF8.GetString(ApiError.Create(ErrorCodes.ModelNotFound, "x", "model").Encode(ApiDialect.Anthropic)));
    }

    [Theory]
    [InlineData(ErrorCodes.TokenRequired, 401, "authentication_error")]
    [InlineData(ErrorCodes.PlanMismatch, 401, "authentication_error")]
    [InlineData(ErrorCodes.TokenSpent, 409, "invalid_request_error")]
    [InlineData(ErrorCodes.RequestTooLarge, 413, "invalid_request_error")]
    [InlineData(ErrorCodes.ProviderTimeout, 504, "server_error")]
    [InlineData(ErrorCodes.GatewayBusy, 503, "server_error")]
    public void Code_decides_status_and_type(string code, int status, string type)
    {
        ApiError error = ApiError.Create(code, "x");

        Assert.Equal((status, type), (error.Status, error.Type));
    }

    [Fact]
    public void Event_is_one_whole_server_sent_event()
    {
        using SensitiveBuffer buffer = new();

        ApiError.Create(ErrorCodes.ReplyInterrupted, "line one\nline two").WriteEventTo(buffer);

        string[] lines = Encoding.UTF8.GetString(buffer.WrittenSpan).Split('\n');
        Assert.Equal(["event: error", lines[1], "", ""], lines);
        using JsonDocument json = JsonDocument.Parse(lines[1]["data: ".Length..]);
        Assert.Equal("reply_interrupted", json.RootElement.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public void Every_code_and_problem_type_is_unique_and_only_one_of_each_means_an_internal_error()
    {
        string[] codes = Constants(typeof(ErrorCodes));
        string[] problems = Constants(typeof(ProblemTypes));

        Assert.Equal(codes.Distinct(), codes);
        Assert.Equal(problems.Distinct(), problems);
        Assert.Equal([ErrorCodes.InternalError], codes.Where(code => ErrorCodes.StatusOf(code) == 500));
        Assert.Equal([ProblemTypes.InternalError], problems.Where(problem => ProblemTypes.Create(problem).Status == 500));
    }

    [Fact]
    public void Every_code_and_problem_type_is_in_the_description_of_the_wire()
    {
        string description = File.ReadAllText(Path.Combine(RepositoryRoot(), "docs", "protocol.md"));

        string[] names =
        [
            .. Constants(typeof(ErrorCodes)),
            .. Constants(typeof(ProblemTypes)).Select(type => type["urn:tacit:problem:".Length..]),
            .. Constants(typeof(MediaTypes)).Where(type => type.Contains("private-token", StringComparison.Ordinal)),
        ];
        Assert.All(names, name => Assert.Contains($"`{name}`", description, StringComparison.Ordinal));
    }

    [Fact]
    public void Problem_has_the_members_of_RFC_9457()
    {
        Problem problem = ProblemTypes.Create(ProblemTypes.InsufficientCredit, "4 credits short");

        Assert.Equal(
            "{\"type\":\"urn:tacit:problem:insufficient-credit\",\"title\":\"The account has not enough credit.\",\"status\":402,\"detail\":\"4 credits short\"}",
            Encoding.UTF8.GetString(problem.Encode()));
    }

    [Fact]
    public void Status_that_no_route_answered_with_has_a_problem_of_that_status_or_its_class()
    {
        Assert.All([404, 405, 413, 503, 500], status => Assert.Equal(status, ProblemTypes.Create(ProblemTypes.OfStatus(status)).Status));
        Assert.Equal(ProblemTypes.RequestMalformed, ProblemTypes.OfStatus(431));
        Assert.Equal(ProblemTypes.InternalError, ProblemTypes.OfStatus(502));
    }

    private static string[] Constants(Type type) =>
        [.. type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.IsLiteral).Select(field => (string)field.GetRawConstantValue()!)];

    private static string RepositoryRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Tacit.slnx")))
        {
            folder = folder.Parent;
        }

        return folder.FullName;
    }
}
