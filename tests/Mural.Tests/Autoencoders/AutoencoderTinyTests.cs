using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Runtime;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Autoencoders;

[Trait("Area", "vae")]
public class AutoencoderTinyTests
{
    [Fact]
    public void TaesdHasItsParameterCount()
    {
        using var vae = new AutoencoderTiny(new AutoencoderTinyConfig());
        foreach ((string half, long count) in new[] { ("encoder.", 1_222_532L), ("decoder.", 1_222_531L) })
        {
            TorchSharp.Modules.Parameter[] parameters = [.. vae.named_parameters().Where(p => p.name.StartsWith(half, StringComparison.Ordinal)).Select(p => p.parameter)];
            Assert.Equal((67, count), (parameters.Length, parameters.Sum(p => p.numel())));
        }
    }

    [Theory]
    [InlineData(16, 24)]
    [InlineData(13, 9)]
    [InlineData(1, 1)]
    public void SidesRoundUp(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using AutoencoderTiny vae = Tiny();
        Tensor latent = vae.Encode(Pictures(height, width));
        Assert.Equal([2, 4, (height + 3) / 4, (width + 3) / 4], latent.shape);
        Assert.Equal([2, 3, (height + 3) / 4 * 4, (width + 3) / 4 * 4], vae.Decode(latent).shape);
    }

    [Fact]
    public void GradientsReachEveryWeight()
    {
        using var scope = NewDisposeScope();
        using AutoencoderTiny vae = Tiny();
        vae.forward(Pictures(16, 12)).square().mean().backward();
        Assert.All(vae.named_parameters(), entry => Assert.True(entry.parameter.grad?.abs().max().item<float>() > 0, entry.name));
    }

    [Theory]
    [InlineData(KernelSet.Mural, ScalarType.Float32, 1e-5)]
    [InlineData(KernelSet.Libtorch, ScalarType.Float32, 1e-5)]
    [InlineData(KernelSet.Mural, ScalarType.BFloat16, 3e-2)]
    public void FrozenEqualsUnfrozen(KernelSet kernels, ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using AutoencoderTiny vae = Tiny(), frozen = Tiny();
        frozen.PrepareForInference(kernels, type);
        Assert.Empty(UnfrozenWeights(frozen));
        Tensor picture = Pictures(13, 20).to(type), latent = Latents(5, 3).to(type);
        Assert.InRange(Distance(frozen.Encode(picture), vae.Encode(picture)), 0, tolerance);
        Assert.InRange(Distance(frozen.Decode(latent), vae.Decode(latent)), 0, tolerance);
        using var folder = new TemporaryFolder();
        AssertOneSentence(Assert.Throws<MuralException>(() => frozen.Save(folder.Path)).Message);
    }

    [Fact]
    public void EightBitsHoldALatent()
    {
        using var scope = NewDisposeScope();
        using AutoencoderTiny vae = Tiny();
        Tensor latent = tensor(new float[] { -4, -3, 0, 1.5f, 3, 4 }), unit = vae.ToUnitRange(latent);
        Assert.Equal([0, 0, 0.5f, 0.75f, 1, 1], unit.data<float>().ToArray());
        Assert.Equal([-3, -3, 0, 1.5f, 3, 3], vae.FromUnitRange(unit).data<float>().ToArray());
    }

    [Fact]
    public void NoTensorIsLeftBehind()
    {
        using AutoencoderTiny vae = Tiny();
        using Tensor picture = Pictures(24, 20);
        LiveTensors.AssertFlat(() =>
        {
            using (Tensor reconstruction = vae.forward(picture))
            using (Tensor loss = reconstruction.mean()) loss.backward();
            using var noGrad = no_grad();
            using Tensor latent = vae.Encode(picture, new TileOptions(16)), unit = vae.ToUnitRange(latent), back = vae.FromUnitRange(unit);
            vae.Decode(back, new TileOptions(16)).Dispose();
        });
    }

    // Original files number from 0 with the clamp as the decoder's layer 0, in two files or in one with prefixes (spec 3.6).
    [Fact]
    public void OriginalNamesAreUnderstood()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var folder = new TemporaryFolder();
        using AutoencoderTiny vae = Tiny();
        Dictionary<string, Tensor> places = ModuleWeights.Places(vae), encoder = [], decoder = [];
        foreach ((string name, Tensor weight) in places)
        {
            string[] parts = name.Split('.');
            string rest = string.Join('.', parts[3..]);
            if (parts[0] == "encoder") encoder.Add($"{parts[2]}.{rest}", weight);
            else decoder.Add($"{int.Parse(parts[2]) + 1}.{rest}", weight);
        }
        Assert.Contains("1.weight", decoder.Keys);
        Assert.DoesNotContain(decoder.Keys, name => name.StartsWith("0.", StringComparison.Ordinal));
        Dictionary<string, Tensor> together = encoder.ToDictionary(e => "taesd_encoder." + e.Key, e => e.Value);
        foreach ((string name, Tensor weight) in decoder) together.Add("taesd_decoder." + name, weight);
        together.Add("vae_scale", ones(1));
        using ITensorSource first = Write("encoder", encoder), second = Write("decoder", decoder), one = Write("one", together);

        Tensor expected = vae.forward(Pictures(8, 8));
        foreach (Action<AutoencoderTiny> load in new Action<AutoencoderTiny>[] { fresh => fresh.Load(first, second), fresh => fresh.Load(one) })
        {
            using var fresh = new AutoencoderTiny(TinyConfig);
            load(fresh);
            Assert.True(fresh.forward(Pictures(8, 8)).equal(expected).all().item<bool>());
        }
        CheckpointMismatchException problem = Assert.Throws<CheckpointMismatchException>(() => vae.Load(second, first));
        AssertOneSentence(problem.Message);

        ITensorSource Write(string name, Dictionary<string, Tensor> tensors)
        {
            SafetensorsWriter.Save(folder.At(name), tensors);
            return SafetensorsFile.Open(folder.At(name));
        }
    }

    [Fact]
    public void SavedFolderIsTheSame()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var folder = new TemporaryFolder();
        using AutoencoderTiny vae = Tiny();
        vae.Save(folder.Path);
        using AutoencoderTiny loaded = AutoencoderTiny.FromFolder(folder.Path);
        Assert.Equal(vae.Config.ToJson(), loaded.Config.ToJson());
        Assert.True(vae.Decode(Latents(3, 4)).equal(loaded.Decode(Latents(3, 4))).all().item<bool>());
    }
}
