using System.CommandLine;
using Mural.Runtime;

namespace Mural.Cli.CommandLine;

/// <summary>The options that every command takes.</summary>
internal sealed class CommonOptions
{
    internal Option<bool> Json { get; } = new("--json") { Description = "Print one JSON document on stdout instead of text.", Recursive = true };

    internal Option<bool> Verbose { get; } = new("--verbose") { Description = "Show the whole trace of a problem.", Recursive = true };

    internal Option<bool> Quiet { get; } = new("--quiet", "-q") { Description = "Print nothing but problems.", Recursive = true };

    internal Option<int?> Threads { get; } = new("--threads")
    {
        Description = "Threads for the CPU's operators (default: libtorch's choice).",
        HelpName = "N",
        Recursive = true,
    };

    internal Option<string> Kernels { get; } = new("--kernels")
    {
        Description = "Operators to run: mural (packed weights, hand-written kernels) or libtorch (plain, the reference).",
        DefaultValueFactory = _ => "mural",
        Recursive = true,
    };

    internal Option<string> Precision { get; } = new("--precision")
    {
        Description = "Number format of weights and activations; auto takes what the device multiplies natively.",
        DefaultValueFactory = _ => "auto",
        Recursive = true,
    };

    internal Option<string?> Device { get; } = new("--device")
    {
        Description = "cpu, cuda, cuda:1 or mps (default: the first CUDA device, else the CPU).",
        HelpName = "DEVICE",
        Recursive = true,
    };

    internal CommonOptions()
    {
        Kernels.TakeOneOf("mural", "libtorch");
        Precision.TakeOneOf("auto", "f32", "bf16", "f16");
        Threads.TakeAtLeast(1);
    }

    internal void AddTo(RootCommand root)
    {
        foreach (Option option in (Option[])[Json, Verbose, Quiet, Threads, Kernels, Precision, Device]) root.Add(option);
    }

    internal RuntimeOptions Runtime(ParseResult parsed) => new()
    {
        Device = parsed.GetValue(Device),
        Threads = parsed.GetValue(Threads),
        Kernels = parsed.GetValue(Kernels) == "libtorch" ? KernelSet.Libtorch : KernelSet.Mural,
        Precision = parsed.GetValue(Precision) switch
        {
            "f32" => Mural.Runtime.Precision.Float32,
            "bf16" => Mural.Runtime.Precision.BFloat16,
            "f16" => Mural.Runtime.Precision.Float16,
            _ => null,
        },
    };
}
