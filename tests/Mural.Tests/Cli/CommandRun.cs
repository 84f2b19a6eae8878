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
        int code = new MuralApplication(new Terminal(output, error, Interactive: false), cancellation).RunAsync(arguments).GetAwaiter().GetResult();
        return new CommandRun(code, output.ToString(), error.ToString());
    }

    /// <summary>A run of <c>mural generate</c>.</summary>
    /// <param name="model">The model's folder, file or name.</param>
    /// <param name="prompt">The prompt; null where <c>--like</c> gives it.</param>
    /// <param name="options">Everything else.</param>
    public static CommandRun Generate(string model, string? prompt, IEnumerable<string> options) =>
        Of(["generate", .. prompt is null ? Array.Empty<string>() : [prompt], "--model", model, .. options]);

    /// <summary>The same with options as one writes them, a space between each two, and a file for the picture.</summary>
    public static CommandRun Generate(string model, string? prompt, string options, string output) => Generate(model, prompt, [.. options.Split(' '), "-o", output]);
}
