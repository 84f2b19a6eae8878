using System.Text.Json.Nodes;
using Mural.Cli;
using Mural.Cli.CommandLine;

namespace Mural.Tests.Cli;

/// <summary>What one command line did, run inside the test's process.</summary>
internal sealed record CommandRun(int ExitCode, string Out, string Error)
{
    /// <summary>The lines on stderr.</summary>
    public string[] Problems => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The one document on stdout; parsing fails when there is more or less than one.</summary>
    public JsonObject Json => JsonNode.Parse(Out)!.AsObject();

    public static CommandRun Of(params string[] arguments) => Of(CancellationToken.None, arguments);

    public static CommandRun Of(CancellationToken cancellation, params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        int code = new MuralApplication(new Terminal(output, error, Interactive: false), cancellation).Run(arguments);
        return new CommandRun(code, output.ToString(), error.ToString());
    }
}
