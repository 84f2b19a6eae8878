using System.CommandLine;
using Mural.Runtime;

namespace Mural.Cli.CommandLine;

/// <summary>The options of commands that run networks: on what and with what.</summary>
internal sealed class RunOptions
{
    internal const string MuralKernels = "mural", LibtorchKernels = "libtorch";

    internal Option<int?> Threads { get; } = new("--threads") { Description = "Threads for the CPU's operators (default: libtorch's choice).", HelpName = "N" };

    internal Option<string> Kernels { get; } = new("--kernels")
    {
        Description = "Operators to run: mural (packed weights, hand-written kernels) or libtorch (plain, the reference).",
        DefaultValueFactory = _ => MuralKernels,
    };

    internal Option<string> Precision { get; } = new("--precision")
    {
        Description = "Number format of weights and activations; auto takes what the device multiplies natively.",
        DefaultValueFactory = _ => "auto",
    };

    internal Option<string?> Device { get; } = new("--device")
    {
        Description = "cpu, cuda, cuda:1 or mps (default: the first CUDA device, else the CPU).",
        HelpName = "DEVICE",
    };

    internal RunOptions()
    {
        Kernels.TakeOneOf(MuralKernels, LibtorchKernels);
        Precision.TakeOneOf(["auto", .. PrecisionNames.All]);
        Threads.TakeAtLeast(1);
    }

    /// <summary>The word that the option takes for a set of kernels.</summary>
    internal static string NameOf(KernelSet kernels) => kernels == KernelSet.Libtorch ? LibtorchKernels : MuralKernels;

    internal void AddTo(Command command)
    {
        foreach (Option option in (Option[])[Threads, Kernels, Precision, Device]) command.Add(option);
    }

    internal RuntimeOptions Read(CommandContext context) => new()
    {
        Device = context.Value(Device),
        Threads = context.Value(Threads),
        Kernels = context.Value(Kernels) == LibtorchKernels ? KernelSet.Libtorch : KernelSet.Mural,
        Precision = PrecisionNames.Parse(context.Value(Precision)),
    };
}
