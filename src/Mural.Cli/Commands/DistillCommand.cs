using System.CommandLine;

namespace Mural.Cli.Commands;

/// <summary><c>mural distill</c>: teaches a cheaper network what a model does.</summary>
internal sealed class DistillCommand : Command
{
    internal DistillCommand() : base("distill", "Teach a cheaper network what a model does.") =>
        Add(new TrainPartCommand(Name, "linfusion", "Give a Stable Diffusion linear attention, trained on what its own does.", "sd15-linfusion.json"));
}
