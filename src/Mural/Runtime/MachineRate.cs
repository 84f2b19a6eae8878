using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>How fast this machine multiplies matrices: the measure that every speed of Mural is given in.</summary>
internal static class MachineRate
{
    private const int Size = 2048;

    /// <summary>
    /// Billions of floating-point operations a second in a plain product of two 2048x2048 matrices: the best of the rounds that fit
    /// into <paramref name="budget"/>, at least three, since whatever disturbs a product only makes it slower.
    /// </summary>
    internal static double Measure(ScalarType type, Device device, TimeSpan budget)
    {
        using var inference = inference_mode();
        using Tensor matrix = Fill(Size, Size, type, device);
        return Measure(() => matrix.matmul(matrix), 2.0 * Size * Size * Size, device, budget);
    }

    /// <summary>A matrix of ordinary numbers: products of zeros or denormals would not be representative.</summary>
    internal static Tensor Fill(long rows, long columns, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        return arange(rows * columns, dtype: ScalarType.Float32).sin().reshape(rows, columns).to(type).to(device).MoveToOuterDisposeScope();
    }

    /// <summary>The best rate of <paramref name="multiply"/>, which does <paramref name="operations"/> floating-point operations.</summary>
    internal static double Measure(Func<Tensor> multiply, double operations, Device device, TimeSpan budget)
    {
        multiply().Dispose();
        var all = Stopwatch.StartNew();
        double best = double.MaxValue;
        for (int round = 0; round < 3 || all.Elapsed < budget; round++)
        {
            var one = Stopwatch.StartNew();
            multiply().Dispose();
            if (device.type == DeviceType.CUDA) cuda.synchronize();
            best = Math.Min(best, one.Elapsed.TotalSeconds);
        }
        return operations / best / 1e9;
    }
}
