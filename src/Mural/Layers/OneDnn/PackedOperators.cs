using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.OneDnn;

/// <summary>
/// Linears and convolutions on weights packed once into oneDNN's own layout: up to eight times faster than unpacked ones on small maps.
/// Inference on a CPU only; a call costs about 20 µs more than an ordinary operator.
/// </summary>
internal static class PackedOperators
{
    private static readonly Lazy<jit.ScriptModule?> Module = new(Load);

    /// <summary>Whether this build of libtorch brings the packed operators.</summary>
    internal static bool Available => Module.Value is not null;

    /// <summary>Whether a weight can be packed for inputs of the given type.</summary>
    internal static bool Serves(Tensor weight, ScalarType type) =>
        weight.device.type == DeviceType.CPU && Available && (type == ScalarType.Float32 || (type == ScalarType.BFloat16 && BFloat16Available.Value));

    /// <summary>
    /// Whether convolutions on packed weights are faster than on others. oneDNN packs them for a map that it guesses; without AVX-512 it wants other layouts on small maps, and
    /// makes them by its slowest code at every call: ten times the time of the convolution.
    /// </summary>
    internal static bool PacksConvolutionsWell { get; } = !X86Base.IsSupported || Avx512F.IsSupported;

    /// <summary>Packs a weight [outputs, inputs]. oneDNN's layout does not depend on the number of rows it will meet.</summary>
    internal static Tensor PackLinear(Tensor weight) => Call("pack_linear", weight);

    internal static Tensor Linear(Tensor input, Tensor packed, Tensor? bias) => Call("linear", input, packed, bias);

    /// <summary>Packs a weight [outputs, inputs / groups, h, w].</summary>
    internal static Tensor PackConvolution(Tensor weight, ConvolutionShape shape) => Call("pack_convolution", [weight, .. shape.Arguments]);

    internal static Tensor Convolution(Tensor input, Tensor packed, Tensor? bias, ConvolutionShape shape) =>
        Call("convolution", [input, packed, bias, .. shape.Arguments]);

    private static Tensor Call(string method, params object?[] arguments) => (Tensor)Module.Value!.invoke(method, arguments!);

    private static readonly Lazy<bool> BFloat16Available = new(() => Multiplies(Module.Value, ScalarType.BFloat16));

    private static jit.ScriptModule? Load()
    {
        try
        {
            jit.ScriptModule module = jit.load(OperatorArchive.Build());
            return Multiplies(module, ScalarType.Float32) ? module : null;
        }
        catch (Exception exception) when (exception is System.Runtime.InteropServices.ExternalException or InvalidOperationException)
        {
            return null;
        }
    }

    // One small product shows at once whether oneDNN serves this processor.
    private static bool Multiplies(jit.ScriptModule? module, ScalarType type)
    {
        if (module is null) return false;
        try
        {
            using var scope = NewDisposeScope();
            using IDisposable guard = no_grad();
            Tensor weight = ones(16, 16).to(type), input = ones(4, 16).to(type);
            var packed = (Tensor)module.invoke("pack_linear", weight);
            var result = (Tensor)module.invoke("linear", input, packed, null!);
            return result[0, 0].to(ScalarType.Float32).item<float>() == 16;
        }
        catch (System.Runtime.InteropServices.ExternalException)
        {
            return false;
        }
    }
}

/// <summary>Padding, stride and dilation (height, width) and groups of a convolution.</summary>
internal sealed record ConvolutionShape((long H, long W) Padding, (long H, long W) Stride, (long H, long W) Dilation, long Groups)
{
    internal object[] Arguments => [Padding.H, Padding.W, Stride.H, Stride.W, Dilation.H, Dilation.W, Groups];
}
