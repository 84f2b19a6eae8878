using Mural.DiM;
using TorchSharp.Modules;

namespace Mural.Tests.DiM;

/// <summary>The network of spec dim.md 10.8, whose parameters are sines of their numbers, and other small models for properties.</summary>
internal static class TinyNetwork
{
    private static readonly string[] TopLevel =
    [
        "label_emb.weight", "additional_embed", "pos_embed.proj.weight", "pos_embed.proj.bias",
        "adaln_single.emb.timestep_embedder.linear_1.weight", "adaln_single.emb.timestep_embedder.linear_1.bias",
        "adaln_single.emb.timestep_embedder.linear_2.weight", "adaln_single.emb.timestep_embedder.linear_2.bias",
        "adaln_single.emb.class_embedder.embedding_table.weight", "adaln_single.linear.weight", "adaln_single.linear.bias",
        "a4m_adapter.pad_token_dec_split", "a4m_adapter.pad_token", "a4m_adapter.first_smoother.weight", "a4m_adapter.first_smoother.bias",
        "a4m_adapter.last_smoother.weight", "a4m_adapter.last_smoother.bias", "norm_out.norm.weight",
        "proj_out_1.weight", "proj_out_1.bias", "proj_out_2.weight", "proj_out_2.bias",
    ];

    private static readonly string[] InBlock =
    [
        "scale_shift_table", "norm1.norm.weight", "attn1.A_log", "attn1.D", "attn1.in_proj.weight", "attn1.conv1d.weight", "attn1.conv1d.bias",
        "attn1.x_proj.weight", "attn1.dt_proj.weight", "attn1.dt_proj.bias", "attn1.out_proj.weight", "skip_linear.weight", "skip_linear.bias",
    ];

    internal static DiMConfig SpecConfig { get; } = new()
    {
        Width = 4,
        Blocks = 5,
        InChannels = 1,
        Classes = 3,
        SampleSize = 4,
        StateSize = 2,
        SkipForm = SkipForm.Concatenated,
        PositionGrid = new TokenGrid(3, 2),
    };

    internal static DiMConfig SmallConfig { get; } = new() { Width = 24, Blocks = 5, InChannels = 3, Classes = 6, SampleSize = 8 };

    internal static DiMModel FromSpec(PadLayout layout)
    {
        var model = new DiMModel(SpecConfig with { PadLayout = layout }, device: null);
        using IDisposable guard = no_grad();
        foreach ((string name, Parameter parameter) in model.named_parameters()) parameter.copy_(Fill(name, parameter.shape));
        return model;
    }

    /// <summary>A small untrained model whose position table is not zero, so that positions count.</summary>
    internal static DiMModel Random(DiMConfig config, ulong seed = 1)
    {
        using Generator generator = Seeded(seed);
        var model = new DiMModel(config, generator);
        using IDisposable guard = no_grad();
        using Tensor positions = randn(1, 2 + config.TrainedGrid.Count, config.Width, generator: generator);
        model.named_parameters().Single(parameter => parameter.name == "additional_embed").parameter.copy_(positions);
        return model;
    }

    internal static Generator Seeded(ulong seed) => new(seed);

    private static Tensor Fill(string name, long[] shape)
    {
        string[] levels = name.Split('.', 3);
        bool inBlock = levels[0] == "transformer_blocks";
        int number = inBlock ? 22 + 15 * int.Parse(levels[1]) + Array.IndexOf(InBlock, levels[2]) : Array.IndexOf(TopLevel, name);
        Assert.True(number >= 0 && (!inBlock || InBlock.Contains(levels[2])), name);
        long count = shape.Aggregate(1L, (product, size) => product * size);
        Tensor values = 0.5 * ((arange(count, dtype: float64) + 1) * 0.7 + 1.3 * number).sin();
        string kind = inBlock ? levels[2] : name;
        if (kind is "norm_out.norm.weight" or "norm1.norm.weight" or "attn1.D") values = 1 + 0.1 * values;
        if (kind == "attn1.A_log") values = (arange(count, dtype: float64).remainder(shape[1]) + 1).log() + 0.1 * values;
        return values.reshape(shape);
    }
}
