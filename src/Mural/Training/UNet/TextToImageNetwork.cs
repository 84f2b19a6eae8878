using Mural.Layers;
using Mural.Text;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>A UNet and the text encoder that is trained with it.</summary>
internal sealed class TextToImageNetwork : NamedModule
{
    internal TextToImageNetwork(UNetConfig unet, ClipTextConfig text, LayerFactory layers) : base(nameof(TextToImageNetwork))
    {
        UNet = this.Register("unet", new UNet2DConditionModel(unet, layers));
        TextEncoder = this.Register("text_encoder", new ClipTextEncoder(text, layers));
    }

    internal UNet2DConditionModel UNet { get; }

    internal ClipTextEncoder TextEncoder { get; }

    /// <summary>Encodes windows of tokens, in float32. Shapes: `[B, L]` to `[B, L, D]`.</summary>
    internal Tensor Encode(Tensor ids) => TextEncoder.Encode(ids, HiddenState.Last, pooled: false).Context;

    /// <summary>Predicts what the scheduler asks for.</summary>
    /// <param name="noisy">Noisy latents, float32. Shape: `[B, C, h, w]`.</param>
    /// <param name="timesteps">Shape: `[B]`.</param>
    /// <param name="context">What <see cref="Encode"/> gave. Shape: `[B, L, D]`.</param>
    /// <param name="type">Type that the UNet computes in.</param>
    /// <returns>float32. Shape: `[B, C, h, w]`.</returns>
    internal Tensor Predict(Tensor noisy, Tensor timesteps, Tensor context, ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        using PreparedPrompt prompt = UNet.Prepare(new UNetConditioning(context.to(type)));
        return UNet.Run(noisy, timesteps, prompt).MoveToOuterDisposeScope();
    }
}
