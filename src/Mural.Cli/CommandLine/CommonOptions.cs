using System.CommandLine;

namespace Mural.Cli.CommandLine;

/// <summary>The options that every command takes: how it tells what it does.</summary>
internal sealed class CommonOptions
{
    internal Option<bool> Json { get; } = new("--json") { Description = "Print one JSON document on stdout instead of text.", Recursive = true };

    internal Option<bool> Verbose { get; } = new("--verbose") { Description = "Show the whole trace of a problem.", Recursive = true };

    internal Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "Print nothing but problems.", Recursive = true };

    internal void AddTo(RootCommand root)
    {
        root.Add(Json);
        root.Add(Verbose);
        root.Add(Quiet);
    }
}
