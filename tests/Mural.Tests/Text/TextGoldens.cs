using System.Text.Json.Nodes;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Text;

namespace Mural.Tests.Text;

/// <summary>The text encoders of a golden model.</summary>
internal static class TextGoldens
{
    /// <summary>A text encoder and its tokenizer from a model's folder.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <param name="suffix">What stands behind the names of the two folders: nothing, or _2.</param>
    /// <param name="state">The layer that the context comes from.</param>
    /// <param name="kernels">Kernels to make it ready for inference on, or null to leave it as loaded.</param>
    /// <param name="type">Type of the computation.</param>
    internal static TextStage Stage(string folder, string suffix, HiddenState state, KernelSet? kernels = null, ScalarType type = ScalarType.Float32)
    {
        ClipTextEncoder encoder = ClipTextEncoder.FromFolder(Path.Combine(folder, "text_encoder" + suffix), type);
        if (kernels is { } chosen) encoder.PrepareForInference(chosen, type);
        return new TextStage("text_encoder" + suffix, ClipTokenizerFolder.Read(Path.Combine(folder, "tokenizer" + suffix)), encoder, state);
    }

    internal static Prompt[] Prompts(GoldenCase golden, string key) => [.. golden.Config[key]!.AsArray().Select(prompt => new Prompt(prompt!.GetValue<string>()))];

    internal static string? Text(JsonNode? node) => node?.GetValue<string>();
}
