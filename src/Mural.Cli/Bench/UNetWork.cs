using Mural.HiDiffusion;
using Mural.LinFusion;
using Mural.Runtime;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>A denoiser of random weights, ready to run, with random latents and texts.</summary>
internal sealed class UNetWork : IDisposable
{
    private readonly UNet2DConditionModel _network;
    private readonly PreparedPrompt _prompt;
    private readonly Tensor _latent, _time;

    private UNetWork(UNet2DConditionModel network, PreparedPrompt prompt, Tensor latent)
    {
        _network = network;
        _prompt = prompt;
        _latent = latent;
        _time = full(1, 500f);
    }

    /// <summary>Prepares one.</summary>
    /// <param name="config">The network.</param>
    /// <param name="side">Side of the latents.</param>
    /// <param name="batch">How many of them.</param>
    /// <param name="textTokens">Tokens of each text.</param>
    /// <param name="kernels">With what it is run.</param>
    /// <param name="type">The number format.</param>
    /// <param name="linear">Whether LinFusion's attention takes the place of its own.</param>
    internal static UNetWork Create(UNetConfig config, int side, int batch, int textTokens, KernelSet kernels, ScalarType type, bool linear = false)
    {
        using var gradients = no_grad();
        using Generator generator = new(1, CPU);
        Tensor Normal(params long[] shape)
        {
            using Tensor values = randn(shape, generator: generator);
            return values.to(type, copy: true);
        }
        var network = new UNet2DConditionModel(config, type);
        if (linear) network.StartLinFusion(LinFusionConfig.For(config), generator);
        network.PrepareForInference(kernels, type);
        using Tensor text = Normal(batch, textTokens, config.CrossAttentionWidth);
        using Tensor? pooled = config.SizeEmbeddingWidth is { } size ? Normal(batch, config.AddedEmbeddingWidth!.Value - 6 * size) : null;
        using Tensor? numbers = config.SizeEmbeddingWidth is null ? null : full([batch, 6], 1024f);
        PreparedPrompt prompt = network.Prepare(new UNetConditioning(text) { PooledText = pooled, SizeNumbers = numbers });
        return new UNetWork(network, prompt, Normal(batch, config.InChannels, side, side));
    }

    /// <summary>One pass.</summary>
    /// <param name="step">What HiDiffusion does in it, or null.</param>
    internal void Run(HiDiffusionStep? step = null)
    {
        using var inference = inference_mode();
        _network.Run(_latent, _time, _prompt, step: step).Dispose();
    }

    public void Dispose()
    {
        _network.Dispose();
        _prompt.Dispose();
        _latent.Dispose();
        _time.Dispose();
    }
}
