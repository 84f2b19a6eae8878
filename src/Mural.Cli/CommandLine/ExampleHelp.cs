using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Mural.Cli.CommandLine;

/// <summary>The usual help, followed by the command's examples.</summary>
internal sealed class ExampleHelp(HelpAction usual) : SynchronousCommandLineAction
{
    // Who asks for help has not given the arguments yet.
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        usual.Invoke(parseResult);
        IReadOnlyList<string> examples = parseResult.CommandResult.Command switch
        {
            MuralCommand command => command.Examples,
            RootCommand root => [.. root.Subcommands.SelectMany(command => command.Subcommands.Prepend(command)).OfType<MuralCommand>().Select(command => command.Examples[0])],
            _ => [],
        };
        if (examples.Count == 0) return ExitCode.Success;
        TextWriter output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (string example in examples) output.WriteLine($"  mural {example}");
        output.WriteLine();
        return ExitCode.Success;
    }
}
