using Mural.Autoencoders;
using Mural.Pipelines;
using Mural.Runtime;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Pipelines;

public sealed class DiMPartsTests(TinyDiM tiny) : IClassFixture<TinyDiM>
{
    // Decoding on packed weights is several times faster; that it is the same network shows here.
    [Theory]
    [InlineData(KernelSet.Mural)]
    [InlineData(KernelSet.Libtorch)]
    public void AutoencoderIsFrozenAndTheSame(KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32, Kernels = kernels });
        using DiMParts parts = DiMParts.Load(tiny.Folder, runtime);
        using AutoencoderKL loaded = AutoencoderKL.FromFolder(Path.Combine(tiny.Folder, "vae"));
        Assert.Empty(UnfrozenWeights(parts.Autoencoder!));
        Tensor latent = Latents(5, 6);
        Assert.InRange(Distance(parts.Autoencoder!.Decode(latent), loaded.Decode(latent)), 0, 1e-5);
    }
}
