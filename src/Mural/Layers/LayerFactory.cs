using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Creates the layers of one network, all in one way.</summary>
/// <param name="Type">Type that the weights are held in. Norms and float32 linears keep theirs in float32.</param>
/// <param name="Initialize">False leaves the weights as they are in memory, for a checkpoint to fill.</param>
/// <param name="Device">Where the parameters live, or null for the CPU.</param>
internal sealed record LayerFactory(ScalarType Type, bool Initialize, Device? Device = null)
{
    internal Linear Linear(int inputs, int outputs, bool bias = true) => new(inputs, outputs, bias, Device, Initialize, Type);

    /// <summary>A linear of float32 inputs and weights, whatever the run's type is.</summary>
    internal Linear Float32Linear(int inputs, int outputs, bool bias = true) => new(inputs, outputs, bias, Device, Initialize) { Type = ScalarType.Float32 };

    internal Conv2d Convolution(int inputs, int outputs, int kernel, int stride = 1, int padding = 0, bool bias = true) =>
        new(inputs, outputs, kernel, stride, padding, bias: bias, device: Device, initialize: Initialize, parameters: Type);

    internal GroupNorm GroupNorm(int groups, int channels, double epsilon, bool silu = false) => new(groups, channels, epsilon, silu, Device);

    internal LayerNorm LayerNorm(int width) => new(width, device: Device);
}
