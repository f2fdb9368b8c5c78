using System.Reflection;
using System.Reflection.Emit;
using Microsoft.Extensions.Logging;

namespace Tacit.Architecture;

/// <summary>Each rule is shown something that breaks it: a check that cannot fail proves nothing.</summary>
public sealed partial class RulesTests
{
    private const string GoodProps =
        """
        <Project>
          <PropertyGroup>
            <TreatWarningsAsErrors>true</TreatWarningsAsErrors><CheckForOverflowUnderflow>true</CheckForOverflowUnderflow>
            <DisableTransitiveProjectReferences>true</DisableTransitiveProjectReferences><RestorePackagesWithLockFile>true</RestorePackagesWithLockFile>
          </PropertyGroup>
          <ItemGroup><PackageReference Include="Microsoft.CodeAnalysis.BannedApiAnalyzers" /><AdditionalFiles Include="BannedSymbols.txt" /></ItemGroup>
        </Project>
        """;

    [Theory]
    [InlineData("Issuer", "Gateway")]
    [InlineData("Gateway", "Issuer")]
    [InlineData("Gateway", "Signer")]
    [InlineData("Inference", "Crypto")]
    [InlineData("App", "Protocol")]
    [InlineData("Storage", "Protocol")]
    [InlineData("Gadget", "Crypto")]
    public void Edge_outside_the_list_is_found_in_project_file_and_assembly(string from, string to)
    {
        Assert.Single(Rules.ProjectEdges([Project(from, to)]));
        Assert.Single(Rules.AssemblyEdges([Compile(from, assembly => assembly.UseType($"Tacit.{to}", $"Tacit.{to}.Anything"))]));
    }

    [Fact]
    public void Edge_in_the_list_is_let_through()
    {
        Assert.Empty(Rules.ProjectEdges([Project("Issuer", "Storage", "Protocol")]));
        Assert.Empty(Rules.AssemblyEdges([Compile("Issuer", assembly => assembly.UseType("Tacit.Storage", "Tacit.Storage.Database"))]));
    }

    [Fact]
    public void Meeting_of_both_sides_over_several_steps_is_found()
    {
        ProjectFile[] projects = [Project("Gateway", "Inference"), Project("Inference", "Plans"), Project("Plans", "Issuer"), Project("Issuer"), Project("Cli", "Issuer", "Gateway")];
        Assert.Equal("Gateway reaches both Issuer and Gateway", Assert.Single(Rules.MeetingPoints(projects)));
    }

    [Fact]
    public void Unlisted_project_is_found() => Assert.Single(Rules.UnlistedProjects([Project("Gadget"), Project("Issuer")]));

    [Theory]
    [InlineData("Common")]
    [InlineData("src/Gateway/Helpers")]
    [InlineData("Tacit.Issuer.Utils.Text")]
    public void Drawer_is_found(string name) => Assert.Single(Rules.DrawerNames([name, "Corean", "src/Gateway/Admission"]));

    [Fact]
    public void Type_that_must_not_be_seen_is_found()
    {
        Assert.Single(Rules.SeenTypes([Compile("Gateway", assembly => assembly.UseType("Tacit.Protocol", "Tacit.Protocol.Accounts.AccountKey"))]));
        Assert.Single(Rules.SeenTypes([Compile("Signer", assembly => assembly.UseType("Tacit.Protocol", "Tacit.Protocol.Token"))]));
        Assert.Empty(Rules.SeenTypes([Compile("Gateway", assembly => assembly.UseType("Tacit.Protocol", "Tacit.Protocol.Token"))]));
    }

    [Fact]
    public void Friend_that_is_no_test_is_found()
    {
        CompiledAssembly assembly = Compile("Issuer", _ => { });
        Assert.Single(Rules.Friends([assembly with { Friends = ["Tacit.Issuer.Tests", "Tacit.Gateway"] }]));
        Assert.Contains("Tacit.Storage.Tests", Repository.Assemblies.Single(real => real.Project == "Storage").Friends);
    }

    [Fact]
    public void Input_and_output_in_a_pure_project_is_found()
    {
        Assert.Single(Rules.Impurities([Compile("Crypto", assembly => assembly.Use(typeof(TimeProvider)))]));
        Assert.Single(Rules.Impurities([Compile("Protocol", assembly => assembly.Use(typeof(FileStream)))]));
        Assert.Empty(Rules.Impurities([Compile("Storage", assembly => assembly.Use(typeof(FileStream)))]));
    }

    [Fact]
    public void Banned_call_is_found_by_type_property_constructor_and_overload()
    {
        string[] banned =
        [
            "P:System.DateTime.UtcNow;why", "T:System.Console;why", "M:System.Net.Http.HttpClient.#ctor;why", "M:System.Threading.Thread.Sleep(System.Int32);why", "",
        ];
        CompiledAssembly guilty = Compile("Gateway", assembly =>
        {
            assembly.Call(typeof(DateTime).GetProperty("UtcNow")!.GetMethod!);
            assembly.Call(typeof(Thread).GetMethod("Sleep", [typeof(int)])!);
            assembly.Call(typeof(HttpClient).GetConstructor([])!);
            assembly.Use(Type.GetType("System.Console, System.Console")!);
        });
        CompiledAssembly innocent = Compile("Gateway", assembly => assembly.Call(typeof(HttpClient).GetConstructor([typeof(HttpMessageHandler), typeof(bool)])!));

        Assert.Equal(4, Rules.BannedCalls([guilty], banned).Count());
        Assert.Empty(Rules.BannedCalls([innocent], banned));
        Assert.DoesNotContain("Cli uses T:System.Console", Rules.BannedCalls([guilty with { Project = "Cli" }], banned));
    }

    [Fact]
    public void Weakened_settings_are_found()
    {
        Assert.Empty(Rules.WeakenedSettings(GoodProps, [Project("Issuer")]));
        Assert.NotEmpty(Rules.WeakenedSettings(GoodProps.Replace("<DisableTransitiveProjectReferences>true", "<DisableTransitiveProjectReferences>false", StringComparison.Ordinal), []));
        Assert.NotEmpty(Rules.WeakenedSettings(GoodProps.Replace("BannedSymbols.txt", "Other.txt", StringComparison.Ordinal), []));
        Assert.NotEmpty(Rules.WeakenedSettings(GoodProps, [ProjectFile.Parse("Issuer", "<Project><PropertyGroup><NoWarn>RS0030</NoWarn></PropertyGroup></Project>")]));
        Assert.NotEmpty(Rules.WeakenedSettings(GoodProps, [ProjectFile.Parse("Issuer", "<Project><ItemGroup><AdditionalFiles Remove=\"x\" /></ItemGroup></Project>")]));
    }

    [Theory]
    [InlineData("src/Client/Issuing/DirectoryClient.cs", "        using var http = new HttpMessageInvoker(new SocketsHttpHandler());", 1)]
    [InlineData("src/App/AppServer.cs", "        await Dns.GetHostAddressesAsync(name);", 1)]
    [InlineData("src/Client/Transports/Connectors.cs", "            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);", 0)]
    [InlineData("src/Gateway/GatewayServer.cs", "        new SocketsHttpHandler()", 0)]
    public void Connection_made_elsewhere_is_found(string path, string line, int found) => Assert.Equal(found, Rules.StrayConnections([(path, [line])]).Count());

    [Fact]
    public void Long_file_is_found() => Assert.Single(Rules.LongFiles([("long.cs", new string[501]), ("short.cs", new string[500])]));

    [Fact]
    public void Log_of_the_anonymous_side_that_takes_something_private_is_found()
    {
        // The methods below, as the reader finds them in this very assembly.
        CompiledAssembly self = CompiledAssembly.Read("Gateway", typeof(RulesTests).Assembly.Location);
        Assert.Equal(
            ["LogBody", "LogPrompt"],
            Rules.TalkativeLogs([self]).Select(line => line.Split(' ')[3]).Order());
        Assert.Empty(Rules.TalkativeLogs([self with { Project = "Cli" }]));
    }

    [Fact]
    public void Log_line_that_is_not_declared_is_found()
    {
        CompiledAssembly guilty = Compile("Issuer", assembly => assembly.Call(
            typeof(LoggerExtensions).GetMethods().First(method => method.Name == "LogInformation")));
        Assert.Single(Rules.UndeclaredLogs([guilty]));
    }

    [LoggerMessage(1, LogLevel.Information, "{Count} {Kind} {Backend}")]
    private static partial void LogHarmless(ILogger logger, int count, Outcome kind, string backend);

    private enum Outcome
    {
        Spent,
    }

    [LoggerMessage(2, LogLevel.Information, "{Body}")]
    private static partial void LogBody(ILogger logger, byte[] body);

    [LoggerMessage(3, LogLevel.Information, "{UserPrompt}")]
    private static partial void LogPrompt(ILogger logger, string userPrompt);

    private static ProjectFile Project(string name, params string[] references) => ProjectFile.Parse(
        name, $"<Project><ItemGroup>{string.Concat(references.Select(to => $"<ProjectReference Include=\"../{to}/Tacit.{to}.csproj\" />"))}</ItemGroup></Project>");

    /// <summary>Makes a real assembly file that uses what a rule forbids, and reads it as the rules read ours.</summary>
    private static CompiledAssembly Compile(string project, Action<Planted> plant)
    {
        var assembly = new PersistedAssemblyBuilder(new AssemblyName($"Tacit.{project}"), typeof(object).Assembly);
        TypeBuilder type = assembly.DefineDynamicModule("main").DefineType("Planted");
        ILGenerator code = type.DefineMethod("Run", MethodAttributes.Public | MethodAttributes.Static).GetILGenerator();
        plant(new Planted(code));
        code.Emit(OpCodes.Ret);
        type.CreateType();
        string path = Path.GetTempFileName();
        try
        {
            assembly.Save(path);
            return CompiledAssembly.Read(project, path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private sealed class Planted(ILGenerator code)
    {
        internal void Use(Type type) => code.Emit(OpCodes.Ldtoken, type);

        /// <summary>Uses a type of an assembly that need not exist.</summary>
        internal void UseType(string assemblyName, string fullName)
        {
            var other = new PersistedAssemblyBuilder(new AssemblyName(assemblyName), typeof(object).Assembly);
            Use(other.DefineDynamicModule("main").DefineType(fullName, TypeAttributes.Public).CreateType());
        }

        internal void Call(MethodBase method)
        {
            switch (method)
            {
                case ConstructorInfo constructor:
                    code.Emit(OpCodes.Newobj, constructor);
                    break;
                case MethodInfo called:
                    code.Emit(OpCodes.Call, called);
                    break;
            }
        }
    }
}
