using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>Device, precision and kernels of a run, each with the reason why it was chosen.</summary>
public sealed record RuntimePlan
{
    // More than any machine has processors: each is a thread of its own, and thousands of them bring a machine down.
    private const int MostThreads = 1024;

    /// <summary>The device that tensors live on.</summary>
    public required Device Device { get; init; }

    /// <summary>Why this device.</summary>
    public required string DeviceReason { get; init; }

    /// <summary>The number format of weights and activations.</summary>
    public required Precision Precision { get; init; }

    /// <summary>Why this number format.</summary>
    public required string PrecisionReason { get; init; }

    /// <summary>The implementation of the heavy operators.</summary>
    public required KernelSet Kernels { get; init; }

    /// <summary>Why this implementation.</summary>
    public required string KernelsReason { get; init; }

    /// <summary>Threads of the CPU's operators, or null for libtorch's choice.</summary>
    public int? Threads { get; init; }

    /// <summary>The number format as libtorch's tensor type.</summary>
    public ScalarType Type => Precision.ToScalarType();

    /// <summary>Chooses for this machine.</summary>
    /// <exception cref="MuralException">The device's name is unknown or the device is not there.</exception>
    public static RuntimePlan Choose(RuntimeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        NativeLibraries.Prepare();
        return Choose(options, ProcessorFeatures.Current, cuda.is_available() ? cuda.device_count() : 0, mps_is_available());
    }

    internal static RuntimePlan Choose(RuntimeOptions options, ProcessorFeatures processor, int cudaDevices, bool mps)
    {
        if (options.Threads is < 1 or > MostThreads)
            throw new MuralException($"{options.Threads} threads were asked for; give a number from 1 to {MostThreads}, at best that of this machine's cores.");
        (Device device, string deviceReason) = ChooseDevice(options.Device, cudaDevices, mps);
        (Precision precision, string precisionReason) = ChoosePrecision(options.Precision, device, processor);
        (KernelSet kernels, string kernelsReason) = ChooseKernels(options.Kernels, device);
        return new RuntimePlan
        {
            Device = device,
            DeviceReason = deviceReason,
            Precision = precision,
            PrecisionReason = precisionReason,
            Kernels = kernels,
            KernelsReason = kernelsReason,
            Threads = options.Threads,
        };
    }

    /// <summary>Sets the process up as planned: the number of threads, which is one setting for all of libtorch.</summary>
    public void Apply()
    {
        if (Threads is { } threads) set_num_threads(threads);
    }

    private static (Device, string) ChooseDevice(string? name, int cudaDevices, bool mps)
    {
        if (name is null)
        {
            return cudaDevices > 0
                ? (new Device(DeviceType.CUDA, 0), "the first CUDA device")
                : (new Device(DeviceType.CPU), "no CUDA device is visible to this build of libtorch");
        }

        string[] parts = name.ToLowerInvariant().Split(':');
        int index = 0;
        if (parts.Length > 2 || (parts.Length == 2 && (!int.TryParse(parts[1], out index) || index < 0)))
            throw Unknown(name);
        switch (parts[0])
        {
            case "cpu":
                return (new Device(DeviceType.CPU), "asked for");
            case "cuda" when index < cudaDevices:
                return (new Device(DeviceType.CUDA, index), "asked for");
            case "cuda":
                throw new MuralException(cudaDevices == 0
                    ? $"Device {name} was asked for, but this build of libtorch sees no CUDA device: "
                        + $"build with -p:Torch=cuda on a machine with an NVIDIA driver, or use --device cpu."
                    : $"Device {name} was asked for, but this machine has {cudaDevices} CUDA device(s): choose an index from 0 to {cudaDevices - 1}.");
            case "mps" when mps:
                return (new Device(DeviceType.MPS, index), "asked for");
            case "mps":
                throw new MuralException($"Device {name} was asked for, but only Apple processors have it: use --device cpu.");
            default:
                throw Unknown(name);
        }
    }

    private static MuralException Unknown(string name) =>
        new($"'{name}' is not a device that Mural knows: use cpu, cuda, cuda:1 or mps.");

    private static (Precision, string) ChoosePrecision(Precision? asked, Device device, ProcessorFeatures processor)
    {
        if (asked is { } precision) return (precision, "asked for");
        if (device.type == DeviceType.CUDA)
            return (Precision.BFloat16, "CUDA devices multiply bf16 in half the memory of f32 and with its range");
        if (device.type != DeviceType.CPU) return (Precision.Float32, "f32 is right on every device");
        return processor.MultipliesBFloat16
            ? (Precision.BFloat16, $"this processor multiplies bf16 natively ({(processor.AmxBFloat16 ? "AMX" : "AVX512-BF16")})")
            : (Precision.Float32, "this processor does not multiply bf16 natively, so f32 is faster");
    }

    private static (KernelSet, string) ChooseKernels(KernelSet asked, Device device)
    {
        if (asked == KernelSet.Libtorch) return (asked, "asked for");
        return device.type == DeviceType.CPU
            ? (KernelSet.Mural, "packed oneDNN weights and hand-written kernels are faster than plain libtorch operators on a CPU")
            : (KernelSet.Libtorch, $"the hand-written kernels are for CPUs; on {device.type.ToString().ToLowerInvariant()} libtorch's own operators run");
    }
}
