using System.CommandLine;

namespace Mural.Cli.CommandLine;

/// <summary>A command of <c>mural</c>: its arguments, its work, and the lines of its help that show it in use.</summary>
internal abstract class MuralCommand(string name, string description) : Command(name, description)
{
    /// <summary>Command lines that the help shows, without the leading <c>mural</c>.</summary>
    internal abstract IReadOnlyList<string> Examples { get; }

    /// <summary>
    /// Does the work, saying what a person wants to know through <paramref name="context"/>, and returns the document that
    /// <c>--json</c> prints; null only where another program of ours reads stdout.
    /// </summary>
    internal abstract Task<object?> RunAsync(CommandContext context);
}

/// <summary>A command whose work waits for nothing.</summary>
internal abstract class SynchronousMuralCommand(string name, string description) : MuralCommand(name, description)
{
    /// <inheritdoc cref="MuralCommand.RunAsync"/>
    private protected abstract object? Run(CommandContext context);

    internal sealed override Task<object?> RunAsync(CommandContext context) => Task.FromResult(Run(context));
}
