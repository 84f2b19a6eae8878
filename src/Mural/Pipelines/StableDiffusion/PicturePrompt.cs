using Mural.Adapters;
using Mural.Imaging;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A picture that the result resembles as if it were described by the prompt.</summary>
/// <param name="Adapter">The IP-Adapter, loaded by the pipeline that paints; see <see cref="StableDiffusionPipeline.LoadIpAdapterAsync"/>.</param>
/// <param name="Picture">The picture; its middle square is seen.</param>
public sealed record PicturePrompt(IpAdapter Adapter, Picture Picture)
{
    /// <summary>How strongly, beside the prompt; 1 is as strongly as the prompt.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>What the image encoder says of no picture and of the picture, where that is known already. Shape: <c>[2, F]</c> or <c>[2, N, F]</c>.</summary>
    internal Tensor? Features { get; init; }
}
