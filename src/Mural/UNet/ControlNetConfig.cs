using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.UNet;

/// <summary>Architecture of a <see cref="ControlNetModel"/>, as its diffusers <c>config.json</c> states it (spec 7.1).</summary>
public sealed record ControlNetConfig
{
    private const string Reversed = "bgr";

    // A relative that takes several kinds of maps; its exporters write either class.
    private const string Union = "ControlNetUnionModel", UnionKey = "num_control_type";

    /// <summary>The UNet whose way down and middle the ControlNet copies; of its way up nothing is used.</summary>
    public UNetConfig Network { get; init; } = new();

    /// <summary>Channels of the picture that controls (<c>conditioning_channels</c>).</summary>
    public int ConditioningChannels { get; init; } = 3;

    /// <summary>Channels of the network on that picture; every step but the last halves the sides (<c>conditioning_embedding_out_channels</c>).</summary>
    public IReadOnlyList<int> EmbeddingChannels { get; init; } = [16, 32, 96, 256];

    /// <summary>Whether the picture's channels go in from last to first (<c>controlnet_conditioning_channel_order</c> is <c>bgr</c>).</summary>
    public bool ReverseChannels { get; init; }

    /// <summary>Whether each residual is averaged over the picture (<c>global_pool_conditions</c>; "shuffle" models).</summary>
    public bool GlobalPooling { get; init; }

    /// <summary>Pixels of the controlling picture for each position of the latent, along one side.</summary>
    public int Downscale => 1 << (EmbeddingChannels.Count - 1);

    /// <summary>Reads a diffusers <c>config.json</c>. Unknown keys are ignored; missing ones have diffusers' defaults.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <exception cref="MuralException">The file is missing, is not JSON, or describes a network that this class cannot build.</exception>
    public static ControlNetConfig Read(string path)
    {
        ConfigReader json = ConfigReader.Open(path, nameof(ControlNetModel), Union);
        if (json.Text("_class_name", "") == Union || json.OptionalInteger(UnionKey) is not null)
            throw new MuralException($"{path} holds a ControlNet-Union, which is not supported; give a ControlNet.");
        string order = json.Text("controlnet_conditioning_channel_order", "rgb");
        if (order != Reversed) json.Require("controlnet_conditioning_channel_order", order, "rgb");
        var config = new ControlNetConfig
        {
            Network = UNetConfigJson.Network(json),
            ConditioningChannels = json.Integer("conditioning_channels", 3),
            EmbeddingChannels = json.List<int>("conditioning_embedding_out_channels") ?? [16, 32, 96, 256],
            ReverseChannels = order == Reversed,
            GlobalPooling = json.Flag("global_pool_conditions", false),
        };
        config.Validate();
        return config;
    }

    /// <summary>The text of a diffusers <c>config.json</c>.</summary>
    public string ToJson()
    {
        JsonObject json = UNetConfigJson.Network(Network);
        json["_class_name"] = nameof(ControlNetModel);
        json["conditioning_channels"] = ConditioningChannels;
        json["conditioning_embedding_out_channels"] = ConfigWriter.List(EmbeddingChannels);
        json["controlnet_conditioning_channel_order"] = ReverseChannels ? Reversed : "rgb";
        json["global_pool_conditions"] = GlobalPooling;
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        Network.Validate();
        if (ConditioningChannels < 1) throw new MuralException($"The ControlNet's conditioning_channels is {ConditioningChannels}; it must be at least 1.");
        if (EmbeddingChannels.Count == 0 || EmbeddingChannels.Any(channels => channels < 1))
            throw new MuralException(
                $"The ControlNet's conditioning_embedding_out_channels is [{string.Join(", ", EmbeddingChannels)}]; give at least one number, each at least 1.");
    }
}
