using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Layers.Clip;

/// <summary>A folder as transformers keeps an encoder in: its weights have other names than those of diffusers' networks (spec 1.1).</summary>
internal static class ClipFiles
{
    internal const string WeightsName = Stem + ".safetensors";

    private const string Stem = "model", LegacyStem = "pytorch_model";

    /// <exception cref="MuralException">There are no weights, or they are malformed.</exception>
    internal static ITensorSource OpenWeights(string folder, string? variant) => ModelFolder.OpenWeights(folder, variant, Stem, LegacyStem);

    internal static void Save(nn.Module module, string json, string folder, ScalarType? type) => ModelFolder.Save(module, json, folder, type, Stem);
}
