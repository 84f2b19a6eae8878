using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Layers;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>The ControlNets that cases of any area name.</summary>
internal static class ControlNetGoldens
{
    private const string Prefix = "w.", Own = "controlnet_";

    // What stands before the names of the weights that a case brings for each of its ControlNets.
    private static readonly string[] Ordinals = ["", "second.", "third.", "fourth.", "fifth.", "sixth."];

    /// <summary>Whether a tensor of a case is a weight that no UNet has.</summary>
    internal static bool BringsWeight(string tensor) =>
        Ordinals.Skip(1).Append(Own).Any(word => tensor.StartsWith(Prefix + word, StringComparison.Ordinal));

    /// <summary>The ControlNet that a case names for one of its control pictures, with the weights and settings that the case brings for it.</summary>
    internal static ControlNetModel Load(GoldenCase golden, int index)
    {
        JsonNode named = golden.Config["controlnet"]!;
        // The case may say more than the name.
        string name = (named is JsonArray names ? names[index]! : named).GetValue<string>().Split(' ')[0];
        string folder = GoldenCase.Model(name);
        var network = new ControlNetModel(Config(golden, ControlNetConfig.Read(folder), index), new LayerFactory(float32, Initialize: false));
        ModelFolder.Loaded(network, folder, network.Load);
        // Where a UNet is the subject, the names that it shares with its first ControlNet are the UNet's.
        bool shares = index == 0 && golden.Area != "control";
        golden.Change(network, Prefix + Ordinals[index], weight => !shares || weight.StartsWith(Own, StringComparison.Ordinal));
        return network;
    }

    /// <summary>The same, ready for inference in float32.</summary>
    internal static ControlNetModel Load(GoldenCase golden, int index, KernelSet kernels)
    {
        ControlNetModel network = Load(golden, index);
        network.PrepareForInference(kernels, float32);
        return network;
    }

    private static ControlNetConfig Config(GoldenCase golden, ControlNetConfig folders, int index)
    {
        JsonNode? Given(string key) => golden.Config[key] is JsonArray values ? values[index] : golden.Config[key];
        return folders with
        {
            GlobalPooling = Given("global_pool_conditions")?.GetValue<bool>() ?? folders.GlobalPooling,
            ReverseChannels = Given("controlnet_conditioning_channel_order")?.GetValue<string>() is { } order ? order == "bgr" : folders.ReverseChannels,
        };
    }
}
