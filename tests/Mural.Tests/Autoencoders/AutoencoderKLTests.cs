using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Runtime;
using Mural.Tests.Goldens;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Autoencoders;

[Trait("Area", "vae")]
public class AutoencoderKLTests
{
    [Theory]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void WeightsGoStraightIntoTheTypeOfTheRun(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        string folder = Path.Combine(GoldenCase.Model("tiny-sd15"), "vae");
        using AutoencoderKL direct = AutoencoderKL.FromFolder(folder, type), converted = AutoencoderKL.FromFolder(folder);
        foreach ((string name, Tensor weight) in ModuleWeights.Places(direct))
        {
            bool norm = name.Contains("norm", StringComparison.Ordinal);
            Assert.Equal(norm ? ScalarType.Float32 : type, weight.dtype);
            Assert.True(weight.equal(ModuleWeights.Places(converted)[name].to(weight.dtype)).all().item<bool>(), name);
        }
        direct.PrepareForInference(KernelSet.Libtorch, type);
        converted.PrepareForInference(KernelSet.Libtorch, type);
        Tensor latent = randn(1, 4, 4, 4).to(type);
        Assert.True(converted.Decode(latent).equal(direct.Decode(latent)).all().item<bool>());
    }

    [Fact]
    public void StableDiffusionHasItsParameterCount()
    {
        using var vae = new AutoencoderKL(new AutoencoderConfig());
        (string Name, TorchSharp.Modules.Parameter Parameter)[] parameters = [.. vae.named_parameters().Select(p => (p.name, p.parameter))];
        Assert.Equal(248, parameters.Length);
        Assert.Equal(83_653_863, parameters.Sum(p => p.Parameter.numel()));
        Assert.Equal(
            34_163_664,
            parameters.Where(p => p.Name.StartsWith("encoder.", StringComparison.Ordinal) || p.Name.StartsWith("quant_conv.", StringComparison.Ordinal))
                .Sum(p => p.Parameter.numel()));
    }

    [Theory]
    [InlineData(32, 32)]
    [InlineData(33, 27)]
    [InlineData(4, 7)]
    public void SidesRoundDown(int height, int width)
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL();
        using var noGrad = no_grad();
        DiagonalGaussian posterior = vae.Encode(Pictures(height, width));
        Assert.Equal([2, 4, height / 4, width / 4], posterior.Mean.shape);
        Assert.Equal([2, 3, height / 4 * 4, width / 4 * 4], vae.Decode(posterior.Mode()).shape);
    }

    // The picture is padded on the right and at the bottom only: what stands there moves more of the latent's edge than what stands left and above.
    [Fact]
    public void PaddingIsAtTheFarSides()
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL(KLConfig with { MidBlockAttention = false });
        using var noGrad = no_grad();
        Tensor picture = Pictures(16, 16);
        double Moved(int row, int column)
        {
            Tensor changed = picture.clone();
            changed[.., .., row, column] = 30;
            return Distance(vae.EncodeMoments(changed), vae.EncodeMoments(picture));
        }
        Assert.NotEqual(Moved(0, 0), Moved(15, 15), 1e-3);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void GradientsReachEveryWeightInFloat32(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL();
        using var generator = new Generator(1);
        Tensor image = Pictures(16, 24).to(type);
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

    [Theory]
    [InlineData(KernelSet.Mural, ScalarType.Float32, 1e-5)]
    [InlineData(KernelSet.Libtorch, ScalarType.Float32, 1e-5)]
    [InlineData(KernelSet.Mural, ScalarType.BFloat16, 3e-2)]
    [InlineData(KernelSet.Libtorch, ScalarType.BFloat16, 3e-2)]
    public void FrozenEqualsUnfrozen(KernelSet kernels, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL(), frozen = KL();
        using var noGrad = no_grad();
        frozen.PrepareForInference(kernels, type);
        Assert.Empty(UnfrozenWeights(frozen));
        Assert.NotEmpty(UnfrozenWeights(vae));
        Tensor picture = Pictures(29, 36).to(type), latent = Latents(7, 9).to(type);
        Assert.InRange(Distance(frozen.Decode(latent), vae.Decode(latent)), 0, tolerance);
        Assert.InRange(Distance(frozen.EncodeMoments(picture), vae.EncodeMoments(picture)), 0, tolerance);
    }

    [Fact]
    public void FrozenSaysWhatItNoLongerDoes()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using AutoencoderKL vae = KL();
        vae.PrepareForInference(KernelSet.Mural, ScalarType.Float32);
        foreach (Action action in new Action[]
        {
            () => vae.Save(folder.Path),
            () => vae.Decode(Latents(4, 4).to(bfloat16)),
            () => vae.Encode(Pictures(8, 8).to(bfloat16)),
            () => vae.PrepareForInference(KernelSet.Mural, ScalarType.BFloat16),
        })
        {
            AssertOneSentence(Assert.Throws<MuralException>(action).Message);
        }
        Assert.Empty(folder.Names);
    }

    // Stable Diffusion XL's activations leave float16's range within the network, though the picture itself does not (spec 3.4).
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OverflowInFloat16IsRepeatedInFloat32(bool frozen)
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL();
        using var noGrad = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in vae.named_parameters())
            if (name.EndsWith("conv_in.weight", StringComparison.Ordinal)) parameter.mul_(1e5f);
        Tensor picture = Pictures(16, 16).to(float16), latent = Latents(4, 4).to(float16);
        Tensor moments = vae.EncodeMoments(picture.to(float32)), decoded = vae.Decode(latent.to(float32));
        if (frozen) vae.PrepareForInference(KernelSet.Mural, ScalarType.Float16);
        foreach ((Tensor actual, Tensor expected) in new[] { (vae.EncodeMoments(picture), moments), (vae.Decode(latent), decoded) })
        {
            Assert.Equal(float16, actual.dtype);
            // Frozen weights were rounded to float16; others were not, so that equal bits show that it was float32.
            if (frozen) Assert.InRange(Distance(actual, expected), 0, 5e-3);
            else Assert.True(actual.equal(expected.to(float16)).all().item<bool>());
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ScalingAndBack(bool statistics)
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL(statistics
            ? KLConfig with { ScalingFactor = 2, LatentsMean = [1, 2, 3, 4], LatentsStandardDeviation = [4, 3, 2, 1] }
            : KLConfig with { ScalingFactor = 2, ShiftFactor = 1 });
        Tensor latent = ones(1, 4, 2, 2) * 5, scaled = vae.ScaleLatent(latent);
        float[] expected = statistics ? [2, 2, 2, 2] : [8, 8, 8, 8];
        Assert.Equal(expected, scaled[0, .., 0, 0].data<float>().ToArray());
        Assert.InRange(Distance(vae.UnscaleLatent(scaled), latent), 0, 1e-6);
    }

    [Fact]
    public void SavedFolderIsTheSame()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var noGrad = no_grad();
        using AutoencoderKL vae = KL(KLConfig with { UsePostQuantConv = false, LatentsMean = [1, 2, 3, 4], LatentsStandardDeviation = [1, 1, 1, 1] });
        vae.Save(folder.Path);
        using AutoencoderKL loaded = AutoencoderKL.FromFolder(folder.Path);
        Assert.Equal(vae.Config.ToJson(), loaded.Config.ToJson());
        Tensor latent = Latents(4, 4);
        Assert.True(vae.Decode(latent).equal(loaded.Decode(latent)).all().item<bool>());
    }

    [Fact]
    public void NoTensorIsLeftBehind()
    {
        using AutoencoderKL vae = KL(), frozen = KL();
        frozen.PrepareForInference(KernelSet.Mural, ScalarType.Float32);
        using Tensor image = Pictures(24, 16);
        LiveTensors.AssertFlat(() =>
        {
            using DiagonalGaussian posterior = vae.Encode(image);
            using Tensor latent = posterior.Mode(), scaled = vae.ScaleLatent(latent), unscaled = vae.UnscaleLatent(scaled);
            using Tensor decoded = vae.Decode(unscaled);
            using Tensor loss = decoded.mean();
            loss.backward();
        });
        LiveTensors.AssertFlat(() =>
        {
            using var noGrad = no_grad();
            foreach (TileOptions? tiles in new[] { null, new TileOptions(16) })
            {
                using DiagonalGaussian posterior = frozen.Encode(image, tiles);
                using Tensor latent = posterior.Mode();
                frozen.Decode(latent, tiles).Dispose();
            }
        });
    }

    [Fact]
    public void MapsOfAnotherShapeAreExplained()
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL();
        foreach (Action action in new Action[]
        {
            () => vae.Decode(zeros(1, 3, 4, 4)), () => vae.Decode(zeros(4, 4, 4)), () => vae.Decode(zeros(1, 4, 0, 4)),
            () => vae.Encode(zeros(1, 1, 8, 8)), () => vae.Encode(zeros(1, 3, 3, 8)),
        })
        {
            AssertOneSentence(Assert.Throws<MuralException>(action).Message);
        }
    }
}
