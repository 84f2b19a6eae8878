using Mural.Autoencoders;

namespace Mural.Tests.Autoencoders;

[Trait("Area", "vae")]
public class AutoencoderKLTests
{
    private static readonly AutoencoderConfig Small = new() { BlockOutChannels = [8, 16, 16], LayersPerBlock = 1, NormGroupCount = 4, SampleSize = 32 };

    [Fact]
    public void StableDiffusionHasItsParameterCount()
    {
        using var vae = new AutoencoderKL(new AutoencoderConfig());
        (string Name, TorchSharp.Modules.Parameter Parameter)[] parameters = [.. vae.named_parameters().Select(p => (p.name, p.parameter))];
        Assert.Equal(248, parameters.Length);
        Assert.Equal(83_653_863, parameters.Sum(p => p.Parameter.numel()));
        Assert.Equal(34_163_664, parameters.Where(p => p.Name.StartsWith("encoder.", StringComparison.Ordinal) || p.Name.StartsWith("quant_conv.", StringComparison.Ordinal)).Sum(p => p.Parameter.numel()));
    }

    [Theory]
    [InlineData(32, 32)]
    [InlineData(33, 27)]
    [InlineData(4, 7)]
    public void SidesRoundDown(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var vae = new AutoencoderKL(Small);
        using var noGrad = no_grad();
        DiagonalGaussian posterior = vae.Encode(Picture(height, width));
        Assert.Equal([2, 4, height / 4, width / 4], posterior.Mean.shape);
        Assert.Equal([2, 3, height / 4 * 4, width / 4 * 4], vae.Decode(posterior.Mode()).shape);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void GradientsReachEveryWeightInFloat32(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var vae = new AutoencoderKL(Small);
        using var generator = new Generator(1);
        Tensor image = Picture(16, 24).to(type);
        DiagonalGaussian posterior = vae.Encode(image);
        Tensor loss = (vae.Decode(posterior.Sample(generator)) - image).to(float32).square().mean() + posterior.Divergence().mean();
        loss.backward();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in vae.named_parameters())
        {
            Assert.True(parameter.grad is not null, name);
            Assert.Equal(float32, parameter.grad!.dtype);
            // Adding the same to every key of an attention changes nothing.
            if (!name.EndsWith("to_k.bias", StringComparison.Ordinal)) Assert.True(parameter.grad.abs().max().item<float>() > 0, name);
        }
    }

    [Fact]
    public void NoTensorIsLeftBehind()
    {
        using var vae = new AutoencoderKL(Small);
        using Tensor image = Picture(16, 16);
        Step(vae, image);
        long before = Tensor.TotalCount;
        for (int i = 0; i < 3; i++) Step(vae, image);
        Assert.Equal(before, Tensor.TotalCount);
    }

    private static void Step(AutoencoderKL vae, Tensor image)
    {
        using DiagonalGaussian posterior = vae.Encode(image);
        using Tensor latent = posterior.Mode(), scaled = vae.ScaleLatent(latent), unscaled = vae.UnscaleLatent(scaled);
        using Tensor decoded = vae.Decode(unscaled);
        using Tensor loss = decoded.mean();
        loss.backward();
    }

    private static Tensor Picture(int height, int width)
    {
        using var generator = new Generator(0);
        return rand([2, 3, height, width], generator: generator) * 2 - 1;
    }
}
