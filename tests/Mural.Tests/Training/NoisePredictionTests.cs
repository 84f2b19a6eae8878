using Mural.DiM;
using Mural.Samplers;
using Mural.Tests.DiM;
using Mural.Training;

namespace Mural.Tests.Training;

public class NoisePredictionTests
{
    // Steps here are counted from 1: step 1 is time 0 of the specification's table.
    [Theory]
    [InlineData(1, 0.00425362)]
    [InlineData(101, 0.591443)]
    [InlineData(501, 1)]
    [InlineData(1000, 1)]
    public void MinSnrWeightsAreThoseOfTheSpecification(int step, double expected)
    {
        using NoisePrediction.Level level = NoisePrediction.At(DiscreteNoiseSchedule.ScaledLinear(), [step], CPU);
        using Tensor weights = NoisePrediction.MinSnrWeights(level, 5);
        Assert.Equal(expected, weights.item<float>(), expected * 1e-5);
    }

    [Fact]
    public void APictureWithoutNoiseWeighsNothing()
    {
        using NoisePrediction.Level level = NoisePrediction.At(new LinearNoiseSchedule(), [0, 1e-4, 1], CPU);
        using Tensor weights = NoisePrediction.MinSnrWeights(level, 5);
        Assert.Equal(0, weights[0].item<float>());
        Assert.InRange(weights[1].item<float>(), 1e-9, 1e-3);
        Assert.Equal(1, weights[2].item<float>());
    }

    [Fact]
    public void SignalAndNoiseShareAUnitOfVariance()
    {
        using var scope = NewDisposeScope();
        foreach (NoisePrediction.Level level in new[]
        {
            NoisePrediction.At(DiscreteNoiseSchedule.ScaledLinear(), [1, 250, 1000], CPU),
            NoisePrediction.At(new LinearNoiseSchedule(), [1e-5, 0.5, 1], CPU),
        })
        {
            Assert.Equal([3, 1, 1, 1], level.Alpha.shape);
            Assert.True((level.Alpha.square() + level.Sigma.square() - 1).abs().max().item<float>() < 1e-6);
        }
    }

    [Fact]
    public void WeightsAndCheckpointingChangeTheLossAsTheyShould()
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        using Generator generator = new(3);
        Tensor clean = randn([3, 3, 8, 8], generator: generator), noise = randn([3, 3, 8, 8], generator: generator), labels = tensor(new[] { 0L, 4L, 6L });
        NoisePrediction.Level level = NoisePrediction.At(DiscreteNoiseSchedule.ScaledLinear(), [1, 101, 900], CPU);
        Tensor Losses(DiMTrainingConfig config) => NoisePrediction.Losses(model, clean, noise, level, labels, config);

        Tensor plain = Losses(new DiMTrainingConfig());
        Assert.Equal(plain.data<float>().ToArray(), Losses(new DiMTrainingConfig { GradientCheckpointing = true }).data<float>().ToArray());
        Tensor weighted = Losses(new DiMTrainingConfig { MinSnrGamma = 5 });
        Assert.True((weighted / plain).allclose(tensor(new[] { 0.00425362f, 0.591443f, 1f }), 1e-4));
        Assert.False(plain.allclose(Losses(new DiMTrainingConfig { RoundInputs = true })));
    }
}
