using System.CommandLine;
using Mural.Checkpoints;
using Mural.Cli.CommandLine;
using Mural.Pipelines;

namespace Mural.Cli.Painting;

/// <summary>How much memory a run may take, and how it trades time for it.</summary>
internal sealed class MemoryOptions
{
    private readonly Option<long?> _memory = ByteSize.Option(
        "--memory", "The most memory that the run may hold, such as 6GB; the fastest mode that fits with 15 % to spare is taken (default: what the machine has).");
    private readonly Option<string?> _mode = new("--memory-mode")
    {
        Description = "whole: layers see the whole picture at once; strips: a part of it at a time, slower in less memory; "
            + "disk: strips, with the largest of what is kept between layers on the disk (default: the fastest that fits).",
    };

    internal MemoryOptions() => _mode.TakeOneOf([.. EnumNames.All<MemoryMode>()]);

    internal void AddTo(Command command)
    {
        command.Add(_memory);
        command.Add(_mode);
    }

    /// <summary>The name of an option that was given, or null where none was.</summary>
    internal string? FirstGiven(CommandContext context) => ((Option[])[_memory, _mode]).FirstOrDefault(context.Given)?.Name;

    internal StableDiffusionOptions Apply(StableDiffusionOptions options, CommandContext context) => options with
    {
        MemoryLimit = context.Value(_memory),
        Memory = EnumNames.Parse<MemoryMode>(context.Value(_mode))
    };
}
