using Mural.Cli.Machine;
using Mural.Layers;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Matrix products and convolutions of the sizes that diffusion models are made of, on packed weights against plain operators.</summary>
internal static class MatmulBench
{
    internal static Benchmark Create() => new("matmul", "Linear and convolution layers as in diffusion models.", () =>
    [
        .. Both("square", 2048, 2048, 2048),
        .. Both("linear-8192-320-320", 8192, 320, 320),
        .. Both("linear-512-1280-1280", 512, 1280, 1280),
        Convolution("conv-320-64x64", 320, 320, 64),
        Convolution("conv-1280-16x16", 1280, 1280, 16),
        Convolution("conv-2560-1280-8x8", 2560, 1280, 8),
    ]);

    private static IEnumerable<BenchRow> Both(string name, long rows, long inputs, long outputs) =>
        ((ScalarType[])[ScalarType.Float32, ScalarType.BFloat16]).Select(type => new BenchRow
        {
            Name = $"{name}-{ShortName(type)}",
            About = $"linear layer, {rows} tokens, {inputs} to {outputs} channels, {ShortName(type)}",
            Operations = 2.0 * rows * inputs * outputs,
            Type = type,
            Prepare = kernels => Prepare(new Linear(inputs, outputs), MachineRate.Fill(rows, inputs, type), kernels),
        });

    private static BenchRow Convolution(string name, long inputs, long outputs, long side) => new()
    {
        Name = $"{name}-bf16",
        About = $"3x3 convolution, batch 2, {inputs} to {outputs} channels at {side}x{side}, bf16, channels last",
        Operations = 2.0 * 2 * side * side * inputs * outputs * 9,
        Prepare = kernels =>
        {
            using var scope = NewDisposeScope();
            Tensor image = MachineRate.Fill(2 * side * side, inputs, ScalarType.BFloat16).reshape(2, side, side, inputs).permute(0, 3, 1, 2);
            return Prepare(new Conv2d(inputs, outputs, 3, padding: 1), image.MoveToOuterDisposeScope(), kernels);
        },
    };

    private static BenchWork Prepare(nn.Module<Tensor, Tensor> layer, Tensor input, KernelSet kernels)
    {
        layer.Freeze(kernels, input.dtype);
        return new BenchWork(
            () =>
            {
                using var inference = inference_mode();
                layer.call(input).Dispose();
            },
            new Held(layer, input));
    }

    private static string ShortName(ScalarType type) => type == ScalarType.Float32 ? "f32" : "bf16";
}
