using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints.SingleFile;
using Mural.Layers.Clip;
using Mural.Text;
using Mural.UNet;

namespace Mural.Checkpoints.StableDiffusion;

/// <summary>Opens a Stable Diffusion in a folder of diffusers' layout (spec stable-diffusion.md 1.1).</summary>
internal static class FolderLayout
{
    internal const string SchedulerFolder = "scheduler", SchedulerName = "scheduler_config.json";

    /// <summary>The folders of networks.</summary>
    internal static readonly string[] Networks = [SingleFileLayout.UNet, SingleFileLayout.Autoencoder, SingleFileLayout.TextEncoder, SingleFileLayout.SecondTextEncoder];

    /// <summary>The folders of everything that a model is made of.</summary>
    internal static readonly string[] Parts =
    [
        .. Networks, SchedulerFolder,
        .. Networks.Where(IsText).Select(component => StableDiffusionCheckpoint.TokenizerFolder("", component))
    ];

    /// <summary>Whether a folder has this layout.</summary>
    internal static bool Is(string path) => File.Exists(Path.Combine(path, ModelFolder.IndexName)) || Directory.Exists(Path.Combine(path, SingleFileLayout.UNet));

    /// <exception cref="MuralException">A part is missing or malformed, or it is another model.</exception>
    internal static StableDiffusionCheckpoint Open(string folder, string? variant)
    {
        string? index = Optional(Path.Combine(folder, ModelFolder.IndexName));
        JsonObject? parts = index is null ? null : Parse(index, Path.Combine(folder, ModelFolder.IndexName));
        var files = new List<ITensorSource>();
        try
        {
            var components = new Dictionary<string, StableDiffusionComponent>();
            foreach (string name in Networks)
            {
                string own = Path.Combine(folder, name);
                if (Optional(Path.Combine(own, ModelFolder.ConfigName)) is { } config)
                {
                    ITensorSource weights = IsText(name) ? ClipFiles.OpenWeights(own, variant) : ModelFolder.OpenWeights(own, variant);
                    files.Add(weights);
                    QuantizedWeights.Refuse(weights);
                    components.Add(name, new StableDiffusionComponent(name, Renamed(weights, name, config, own), config));
                }
                else if (name == SingleFileLayout.UNet || parts?[name] is JsonArray { Count: 2 } part && part[1] is not null)
                {
                    if (name == SingleFileLayout.UNet && Directory.Exists(Path.Combine(folder, "transformer")))
                        throw new MuralException(
                            $"{folder} has a transformer in place of a UNet, as Stable Diffusion 3 and Flux, which are not supported; give a Stable Diffusion 1, 2 or XL.");
                    throw new MuralException($"{folder} lacks {Path.Combine(name, ModelFolder.ConfigName)}, without which there is no {name}; fetch the model again.");
                }
            }
            string scheduler = Optional(Path.Combine(folder, SchedulerFolder, SchedulerName))
                ?? throw new MuralException($"{folder} lacks {Path.Combine(SchedulerFolder, SchedulerName)}; fetch the model again.");
            UNetConfig unet = UNetConfigJson.Parse(components[SingleFileLayout.UNet].Config, Path.Combine(folder, SingleFileLayout.UNet));
            ModelFamily family = FamilyOf(unet, folder, components);
            index ??= FamilySettings.Index(family, unet.InChannels, components.Keys, ClassOf(scheduler, folder)).ToJsonString(ConfigWriter.Indented) + "\n";
            return new StableDiffusionCheckpoint(folder, family, components.Values, index, scheduler, files, folder);
        }
        catch
        {
            foreach (ITensorSource file in files) file.Dispose();
            throw;
        }
    }

    /// <summary>The object in the text of a JSON file.</summary>
    /// <exception cref="MuralException">It holds something else.</exception>
    internal static JsonObject Parse(string text, string source)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new MuralException($"{source} holds no JSON object; fetch the model again.");
        }
        catch (JsonException error)
        {
            throw new MuralException($"{source} is not valid JSON; fetch the model again.", error);
        }
    }

    internal static bool IsText(string component) => component is SingleFileLayout.TextEncoder or SingleFileLayout.SecondTextEncoder;

    // Files of any age, seen under today's names.
    private static ComponentSource Renamed(ITensorSource weights, string component, string config, string folder)
    {
        Func<string, string?> rename = component switch
        {
            SingleFileLayout.UNet => UNetKeys.Current,
            SingleFileLayout.Autoencoder => AutoencoderKeys.Renaming(weights.Tensors.Keys, AutoencoderConfigJson.Parse(config, folder).BlockOutChannels.Count),
            _ => TextNames(ClipTextConfig.Parse(config, folder).ProjectionSize is not null),
        };
        var tensors = new List<(string Name, string Stored, TensorTransform Transform)>();
        foreach (TensorEntry entry in weights.Tensors.Values)
        {
            if (rename(entry.Name) is not { } name) continue;
            tensors.Add((name, entry.Name, component == SingleFileLayout.Autoencoder ? SingleFileLayout.Squeezed(name, entry.Shape) : TensorTransform.Same));
        }
        return new ComponentSource(weights, component, tensors);
    }

    private static Func<string, string?> TextNames(bool projected) => name => ClipTextKeys.Current(name, projected);

    private static ModelFamily FamilyOf(UNetConfig unet, string folder, Dictionary<string, StableDiffusionComponent> components)
    {
        if (unet.AddedEmbeddingWidth is { } added)
        {
            bool second = components.ContainsKey(SingleFileLayout.SecondTextEncoder) && !components.ContainsKey(SingleFileLayout.TextEncoder);
            return second || added == ModelFamilies.RefinerConditions ? ModelFamily.StableDiffusionXLRefiner : ModelFamily.StableDiffusionXL;
        }
        // The text encoders of the first and the second have activations of their own, at any size.
        bool openClip = components.TryGetValue(SingleFileLayout.TextEncoder, out StableDiffusionComponent? text)
            ? ClipTextConfig.Parse(text.Config, Path.Combine(folder, text.Name)).Transformer.Activation == ClipActivation.Gelu
            : unet.CrossAttentionWidth == ClipTextConfig.VitH.Transformer.Width;
        return openClip ? ModelFamily.StableDiffusion2 : ModelFamily.StableDiffusion1;
    }

    private static string ClassOf(string scheduler, string folder) =>
        Parse(scheduler, Path.Combine(folder, SchedulerFolder, SchedulerName))["_class_name"] is JsonValue value && value.TryGetValue(out string? name) ? name : "PNDMScheduler";

    private static string? Optional(string path) => File.Exists(path) ? TextFile.Read(path) : null;
}
