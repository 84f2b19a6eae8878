using Mural.DiM;
using TorchSharp.Modules;

namespace Mural.Tests.DiM;

/// <summary>Spec dim.md 1.10.</summary>
public class DiMInitializationTests
{
    private static readonly DiMConfig Config = new() { Width = 96, Blocks = 9, InChannels = 4, Classes = 500, SampleSize = 16 };

    [Fact]
    public void EqualGeneratorsGiveEqualModels()
    {
        using var scope = NewDisposeScope();
        using var first = new DiMModel(TinyNetwork.SmallConfig, TinyNetwork.Seeded(7));
        using var second = new DiMModel(TinyNetwork.SmallConfig, TinyNetwork.Seeded(7));
        using var other = new DiMModel(TinyNetwork.SmallConfig, TinyNetwork.Seeded(8));
        Assert.All(first.parameters().Zip(second.parameters()), pair => Assert.True(pair.First.equal(pair.Second).all().item<bool>()));
        Assert.Contains(first.parameters().Zip(other.parameters()), pair => !pair.First.equal(pair.Second).all().item<bool>());
    }

    [Fact]
    public void TheGlobalGeneratorIsLeftAlone()
    {
        using var scope = NewDisposeScope();
        Tensor before = get_rng_state();
        using var model = new DiMModel(TinyNetwork.SmallConfig, TinyNetwork.Seeded(7));
        Assert.True(before.equal(get_rng_state()).all().item<bool>());
    }

    [Fact]
    public void ValuesFollowTheTable()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var model = new DiMModel(Config, TinyNetwork.Seeded(3));
        Dictionary<string, Parameter> parameters = model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
        Assert.All(parameters, entry => Assert.True(entry.Value.isfinite().all().item<bool>(), entry.Key));

        void Constant(string name, float value) => Assert.True(parameters[name].eq(value).all().item<bool>(), name);
        void Uniform(string name, double bound)
        {
            double largest = parameters[name].abs().max().item<float>(), deviation = parameters[name].std().item<float>();
            Assert.InRange(largest, bound * 0.9, bound * 1.00001);
            Assert.InRange(deviation * Math.Sqrt(3), bound * 0.85, bound * 1.15);
        }
        void Normal(string name, double deviation) => Assert.InRange(parameters[name].std().item<float>(), deviation * 0.85, deviation * 1.15);

        Constant("additional_embed", 0);
        Constant("norm_out.norm.weight", 1);
        Constant("transformer_blocks.3.norm1.norm.weight", 1);
        Constant("transformer_blocks.3.attn1.D", 1);
        foreach (string bias in new[]
        {
            "adaln_single.linear.bias", "proj_out_1.bias", "proj_out_2.bias", "transformer_blocks.8.skip_linear.0.bias", "adaln_single.emb.timestep_embedder.linear_1.bias"
        })
            Constant(bias, 0);
        Normal("label_emb.weight", 0.02);
        Normal("adaln_single.emb.class_embedder.embedding_table.weight", 0.02);
        Normal("adaln_single.emb.timestep_embedder.linear_1.weight", 0.02);
        Normal("adaln_single.emb.timestep_embedder.linear_2.weight", 0.02);
        Normal("a4m_adapter.pad_token", 0.02);
        Normal("a4m_adapter.pad_token_dec_split", 0.02);
        Normal("transformer_blocks.3.scale_shift_table", 1 / Math.Sqrt(Config.Width));
        Uniform("transformer_blocks.3.attn1.in_proj.weight", 1 / Math.Sqrt(Config.Width));
        Uniform("transformer_blocks.3.attn1.x_proj.weight", 1 / Math.Sqrt(Config.InnerWidth));
        Uniform("transformer_blocks.3.attn1.dt_proj.weight", 1 / Math.Sqrt(Config.TimeStepRank));
        Uniform("transformer_blocks.3.attn1.out_proj.weight", 1 / Math.Sqrt(Config.InnerWidth) / Math.Sqrt(Config.Blocks));
        Uniform("transformer_blocks.3.attn1.conv1d.weight", 1 / Math.Sqrt(3));
        Uniform("transformer_blocks.3.attn1.conv1d.bias", 1 / Math.Sqrt(3));
        Uniform("transformer_blocks.8.skip_linear.1.weight", 1 / Math.Sqrt(Config.Width));
        Uniform("a4m_adapter.first_smoother.weight", 1.0 / 3);
        Uniform("a4m_adapter.last_smoother.bias", 1.0 / 3);
        Uniform("pos_embed.proj.weight", 0.25);
        Uniform("pos_embed.proj.bias", 0.25);
        Uniform("adaln_single.linear.weight", 1 / Math.Sqrt(Config.Width));
        Uniform("proj_out_2.weight", 1 / Math.Sqrt(Config.Width));

        Tensor rates = parameters["transformer_blocks.3.attn1.A_log"].exp();
        Assert.True(allclose(rates, arange(1, 17, dtype: float32).expand(rates.shape)));
        Tensor steps = nn.functional.softplus(parameters["transformer_blocks.3.attn1.dt_proj.bias"]);
        Assert.InRange(steps.min().item<float>(), 0.000999, 0.002);
        Assert.InRange(steps.max().item<float>(), 0.05, 0.1001);
        Assert.InRange(steps.log().mean().item<float>(), Math.Log(0.01) - 0.4, Math.Log(0.01) + 0.4);
    }
}
