using System.Text.Json.Nodes;
using Mural.Adapters.Lora;
using Mural.Checkpoints;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Adapters.Lora;

/// <summary>The networks of a tiny model that LoRAs change.</summary>
internal sealed class LoraModel : IDisposable
{
    private LoraModel(UNet2DConditionModel unet, IReadOnlyList<ClipTextEncoder> text)
    {
        UNet = unet;
        Text = text;
        Components = new Dictionary<string, nn.Module>(text.Select((encoder, i) => KeyValuePair.Create(i == 0 ? "text_encoder" : "text_encoder_2", (nn.Module)encoder)))
        { ["unet"] = unet };
    }

    internal UNet2DConditionModel UNet { get; }

    internal IReadOnlyList<ClipTextEncoder> Text { get; }

    internal IReadOnlyDictionary<string, nn.Module> Components { get; }

    internal static LoraModel Load(string folder, ScalarType type = ScalarType.Float32) => new(
        UNet2DConditionModel.FromFolder(Path.Combine(folder, "unet"), type),
        [.. new[] { "text_encoder", "text_encoder_2" }.Select(name => Path.Combine(folder, name)).Where(Directory.Exists).Select(path => ClipTextEncoder.FromFolder(path, type))]);

    internal static LoraModel Tiny(string name = "tiny-sd15", ScalarType type = ScalarType.Float32) => Load(GoldenCase.Model(name), type);

    /// <summary>Applies the LoRAs of a case with its weights, or a part of them.</summary>
    internal static void Apply(LoraMerge merge, GoldenCase golden, double factor = 1, bool forGood = false)
    {
        var loras = new List<WeightedLora>();
        try
        {
            foreach (JsonNode? entry in golden.Config["files"]!.AsArray())
                loras.Add(new WeightedLora(LoraFile.Open(GoldenCase.At(golden.Area, entry!["file"]!.GetValue<string>())), factor * entry["scale"]!.GetValue<double>()));
            if (forGood) merge.ApplyForGood(loras);
            else merge.Apply(loras);
        }
        finally
        {
            foreach (WeightedLora lora in loras) lora.File.Dispose();
        }
    }

    internal void PrepareForInference(KernelSet kernels, ScalarType type)
    {
        UNet.PrepareForInference(kernels, type);
        foreach (ClipTextEncoder encoder in Text) encoder.PrepareForInference(kernels, type);
    }

    /// <summary>Names of the parameters that are not the same to the bit.</summary>
    internal string[] Differences(LoraModel other) =>
    [
        .. Components.SelectMany(component =>
        {
            Dictionary<string, Tensor> theirs = ModuleWeights.Places(other.Components[component.Key]);
            return ModuleWeights.Places(component.Value).Where(place => !place.Value.equal(theirs[place.Key]).all().item<bool>()).Select(place => $"{component.Key}.{place.Key}");
        }),
    ];

    public void Dispose()
    {
        UNet.Dispose();
        foreach (ClipTextEncoder encoder in Text) encoder.Dispose();
    }
}
