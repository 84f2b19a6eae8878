using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>Starting values of an untrained model (spec dim.md 1.10). Nothing starts at zero except biases and the position table.</summary>
internal static class DiMInitialization
{
    private const double Embedding = 0.02;
    private const string MixerPrefix = "attn1.";

    internal static void Apply(DiMModel model, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        // By name, so that equal generators give equal models however modules are registered.
        foreach ((string name, Parameter parameter) in model.named_parameters().OrderBy(entry => entry.name, StringComparer.Ordinal))
            Fill(
                parameter, name[(name.StartsWith("transformer_blocks.", StringComparison.Ordinal) ? name.IndexOf('.', "transformer_blocks.".Length) + 1 : 0)..],
                model.Config, generator);
    }

    private static void Fill(Tensor parameter, string name, DiMConfig config, Generator generator)
    {
        switch (name)
        {
            case not null when name.StartsWith(MixerPrefix, StringComparison.Ordinal):
                MambaInitialization.Fill(parameter, name[MixerPrefix.Length..], config.Mixer, config.Blocks, generator);
                break;
            case "norm1.norm.weight" or "norm_out.norm.weight":
                parameter.fill_(1);
                break;
            case "scale_shift_table":
                Normal(parameter, 1 / Math.Sqrt(config.Width), generator);
                break;
            case "label_emb.weight" or "adaln_single.emb.class_embedder.embedding_table.weight" or "a4m_adapter.pad_token" or "a4m_adapter.pad_token_dec_split"
                or "adaln_single.emb.timestep_embedder.linear_1.weight" or "adaln_single.emb.timestep_embedder.linear_2.weight":
                Normal(parameter, Embedding, generator);
                break;
            case "additional_embed":
                parameter.fill_(0);
                break;
            case "a4m_adapter.first_smoother.bias" or "a4m_adapter.last_smoother.bias":
                MambaInitialization.Uniform(parameter, 1.0 / 3, generator);
                break;
            case "pos_embed.proj.bias":
                MambaInitialization.Uniform(parameter, 1 / Math.Sqrt((double)config.InChannels * config.PatchSize * config.PatchSize), generator);
                break;
            case not null when name.EndsWith(".bias", StringComparison.Ordinal):
                parameter.fill_(0);
                break;
            default:
                MambaInitialization.Uniform(parameter, 1 / Math.Sqrt(parameter.numel() / (double)parameter.shape[0]), generator);
                break;
        }
    }

    // Drawn on the CPU, so that a seed gives the same model on every device.
    private static void Normal(Tensor parameter, double deviation, Generator generator) =>
        parameter.copy_(randn(parameter.shape, dtype: ScalarType.Float32, generator: generator) * deviation);
}
