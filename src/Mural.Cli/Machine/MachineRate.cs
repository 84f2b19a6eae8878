using System.Diagnostics;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Cli.Machine;

/// <summary>How fast this machine multiplies two 2048x2048 matrices: the measure that every speed of Mural is given in.</summary>
internal static class MachineRate
{
    private const int Size = 2048;
    private const double Operations = 2.0 * Size * Size * Size;

    /// <summary>
    /// Billions of floating-point operations a second of the plain or packed product: the best of the rounds that fit into
    /// <paramref name="budget"/>, at least three, since whatever disturbs a product only makes it slower.
    /// </summary>
    internal static double Measure(ScalarType type, KernelSet kernels, Device device, TimeSpan budget)
    {
        using var inference = inference_mode();
        using var layer = new Linear(Size, Size, bias: false);
        layer.to(device);
        layer.Freeze(kernels, type);
        using Tensor input = Fill(Size, Size, type).to(device);

        layer.call(input).Dispose();
        var all = Stopwatch.StartNew();
        double best = double.MaxValue;
        for (int round = 0; round < 3 || all.Elapsed < budget; round++)
        {
            var one = Stopwatch.StartNew();
            layer.call(input).Dispose();
            if (device.type == DeviceType.CUDA) cuda.synchronize();
            best = Math.Min(best, one.Elapsed.TotalSeconds);
        }
        return Operations / best / 1e9;
    }

    /// <summary>A matrix of ordinary numbers: products of zeros or denormals would not be representative.</summary>
    internal static Tensor Fill(long rows, long columns, ScalarType type)
    {
        using var scope = NewDisposeScope();
        return arange(rows * columns, dtype: ScalarType.Float32).sin().reshape(rows, columns).to(type).MoveToOuterDisposeScope();
    }
}
