using Mural.Autoencoders;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>The type that pipelines run an autoencoder in.</summary>
internal static class AutoencoderPrecision
{
    /// <summary>The run's, except for autoencoders that overflow in float16.</summary>
    internal static ScalarType TypeFor(this RuntimePlan runtime, AutoencoderConfig config) =>
        runtime.Precision == Precision.Float16 && config.ForceUpcast ? ScalarType.Float32 : runtime.Type;
}
