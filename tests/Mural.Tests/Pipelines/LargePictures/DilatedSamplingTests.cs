using Mural.Pipelines;
using Mural.Samplers;
using Mural.Tests.LinFusion;

namespace Mural.Tests.Pipelines;

/// <summary>Steps that are taken twice and mixed.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class DilatedSamplingTests
{
    // With two networks that are one, and nothing mixed in, what comes out is what the sampler alone gives, of the same noise.
    [Theory]
    [InlineData(SamplerKind.Euler)]
    [InlineData(SamplerKind.EulerAncestral)]
    [InlineData(SamplerKind.Ddpm)]
    public void BothStepsAddTheSameNoise(SamplerKind kind)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var generator = new Generator(3);
        Tensor clean = randn([1, 4, 6, 5], generator: generator), noise = randn([1, 4, 6, 5], generator: generator);
        Sampler sampler = Sampler.Create(new SamplerOptions { Sampler = kind, ClipSample = false }, 8);
        static Tensor Network(Tensor input, DenoiserCall call) => input * 0.3;
        int draws = 0;
        Tensor Draw(Tensor like) => randn(like.shape, generator: new Generator(100 + (ulong)draws++));

        Tensor plain = sampler.Sample(Network, sampler.AddNoise(clean, noise, 3), Draw, 3..);
        (int alone, draws) = (draws, 0);
        // Of a blur this narrow nothing is left, and of a cosine to this power neither.
        var sampling = new DilatedSampling(sampler, Network, Network, new DilationSettings { SkipExponent = 1e6, BlurSigma = 0.01 }, 2);
        Tensor mixed = sampling.Run(clean, noise, 3, Draw, null, TestContext.Current.CancellationToken);
        Assert.Equal(alone, draws);
        Assert.True(LinFusionGoldens.Distance(mixed, plain) < 1e-5, $"{LinFusionGoldens.Distance(mixed, plain)}");
    }
}
