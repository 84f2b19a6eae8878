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

    /// <summary>
    /// Billions of floating-point operations a second of the plain or packed product: the best of the rounds that fit into
    /// <paramref name="budget"/>, at least three, since whatever disturbs a product only makes it slower.
    /// </summary>
    /// <param name="type">Number format.</param>
    /// <param name="kernels">Packed or plain.</param>
    /// <param name="device">Where.</param>
    /// <param name="budget">Time for it.</param>
    /// <param name="size">Rows and columns: smaller matrices tell about the rate in less time.</param>
    internal static double Measure(ScalarType type, KernelSet kernels, Device device, TimeSpan budget, int size = Size)
    {
        using var inference = inference_mode();
        using var layer = new Linear(size, size, bias: false);
        layer.to(device);
        layer.Freeze(kernels, type);
        using Tensor input = Fill(size, size, type).to(device);

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
        return 2.0 * size * size * size / best / 1e9;
    }

    /// <summary>A matrix of ordinary numbers: products of zeros or denormals would not be representative.</summary>
    internal static Tensor Fill(long rows, long columns, ScalarType type)
    {
        using var scope = NewDisposeScope();
        return arange(rows * columns, dtype: ScalarType.Float32).sin().reshape(rows, columns).to(type).MoveToOuterDisposeScope();
    }
}
