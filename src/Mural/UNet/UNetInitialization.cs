using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>The start of a training, as the original code of latent diffusion makes it (arXiv 2112.10752, <c>zero_module</c>).</summary>
internal static class UNetInitialization
{
    // The last layer of each branch that is added to a map, and the last of all.
    private static readonly string[] Last = ["conv2", "proj_out", "conv_out"];

    /// <summary>Zeroes the last layer of every branch: the network begins as the identity along its streams, and predicts nothing.</summary>
    internal static void ZeroBranches(UNet2DConditionModel network)
    {
        using IDisposable quiet = no_grad();
        foreach ((string name, nn.Module module) in network.named_modules())
        {
            if (module is not WeightedLayer layer || !Last.Contains(name[(name.LastIndexOf('.') + 1)..])) continue;
            layer.Weight.zero_();
            layer.Bias?.zero_();
        }
    }
}
