using System.CommandLine;
using Mural.Cli.CommandLine;
using Mural.Cli.Machine;
using Mural.Hub;

namespace Mural.Cli.Commands;

/// <summary><c>mural pull</c>: fetches a model from a hub.</summary>
internal sealed class PullCommand : MuralCommand
{
    private const double Mebibyte = 1 << 20;

    private readonly Argument<string> _repository = new("repository") { Description = "The model, ORGANISATION/NAME.", HelpName = "ORG/NAME" };
    private readonly Option<string?> _output = new("--output", "-o") { Description = "Folder for it (default: NAME).", HelpName = "FOLDER" };
    private readonly Option<string?> _variant = new("--variant") { Description = "Weights to prefer where there are several, such as fp16.", HelpName = "NAME" };
    private readonly Option<string> _revision = new("--revision") { Description = "Branch, tag or commit.", HelpName = "NAME", DefaultValueFactory = _ => "main" };
    private readonly Option<string[]> _file = new("--file")
    {
        Description = "Only this file of the repository; may be given several times.",
        HelpName = "PATH",
        DefaultValueFactory = _ => []
    };

    private readonly Option<string?> _endpoint = new("--endpoint")
    {
        Description = $"Address of the hub (default: {HubOptions.EndpointVariable}, or else {new HubOptions().Endpoint.AbsoluteUri}).",
        HelpName = "URL"
    };

    internal PullCommand() : base("pull", $"Fetch a model from a hub; {HubOptions.TokenVariable} holds the token where one is needed.")
    {
        Add(_repository);
        foreach (Option option in (Option[])[_output, _variant, _revision, _file, _endpoint]) Add(option);
    }

    internal override IReadOnlyList<string> Examples =>
    [
        "pull stabilityai/sdxl-turbo --variant fp16",
        "pull madebyollin/taesd -o models/taesd",
    ];

    internal override async Task<object?> RunAsync(CommandContext context)
    {
        string repository = context.Value(_repository)!;
        string folder = context.Value(_output) ?? repository[(repository.LastIndexOf('/') + 1)..];
        var request = new PullRequest { Repository = repository, Folder = folder, Variant = context.Value(_variant), Files = context.Value(_file) ?? [] };
        HubOptions options = HubOptions.FromEnvironment() with { Revision = context.Value(_revision)! };
        if (context.Value(_endpoint) is { } endpoint) options = options with { Endpoint = HubOptions.ParseEndpoint(endpoint, _endpoint.Name) };
        PullResult result = await context.WithProgressAsync(report =>
            ModelHub.PullAsync(request, options, new ImmediateProgress<PullProgress>(value => report(Shown(value))), context.Cancellation)).ConfigureAwait(false);
        context.Say($"{result.Folder}: {result.Files.Count} files, {Human.Bytes(result.Bytes)}"
            + $"{(result.Fetched < result.Files.Count ? $", {result.Files.Count - result.Fetched} of them were there already" : "")}");
        return new { path = Path.GetFullPath(result.Folder), result.Files, result.Bytes, result.Fetched };
    }

    private static ProgressReport Shown(PullProgress value) => new("MiB", Math.Round(value.Bytes / Mebibyte, 1), Math.Round(value.TotalBytes / Mebibyte, 1), value.File);
}
