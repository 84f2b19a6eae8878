using Mural.Imaging;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A picture such as edges, a pose or depths that a ControlNet makes the result follow.</summary>
/// <param name="Network">The ControlNet, of the model's family; see <see cref="StableDiffusionPipeline.LoadControlNetAsync"/>.</param>
/// <param name="Picture">A finished map of the kind that the network was trained on; resized to the result's size.</param>
public sealed record ControlInput(ControlNetModel Network, Picture Picture)
{
    /// <summary>How strongly it is followed; 1 as trained.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>Share of the run after which it is followed, from 0.</summary>
    public double Start { get; init; }

    /// <summary>Share of the run up to which it is followed, up to 1.</summary>
    public double End { get; init; } = 1;

    /// <summary>Whether the picture speaks for itself: with guidance, only what the prompt says is controlled, the more the coarser the level.</summary>
    public bool GuessMode { get; init; }

    /// <summary>Whether only what the prompt says is controlled, with guidance: also with networks that see their picture as a whole, such as "shuffle".</summary>
    internal bool ControlsPromptOnly => GuessMode || Network.Config.GlobalPooling;

    /// <summary>The map as the network sees it, of the result's size, where that is known already; values from 0 to 1. Shape: <c>[1, 3, H, W]</c>.</summary>
    internal Tensor? Values { get; init; }
}
