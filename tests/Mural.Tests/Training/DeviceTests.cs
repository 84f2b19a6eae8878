using Mural.Layers;
using Mural.Samplers;
using Mural.Training;
using Parameter = TorchSharp.Modules.Parameter;

namespace Mural.Tests.Training;

/// <summary>
/// What training adds to the networks, on libtorch's meta device, whose tensors have shapes and no values: an operator that is given one of them
/// beside a tensor that was left on the CPU refuses, as it would beside one on a GPU.
/// </summary>
public class DeviceTests
{
    [Fact]
    public void NoisyInputsAndWeightsAreMadeOnTheDevice()
    {
        using var scope = NewDisposeScope();
        Tensor clean = Empty(2, 3, 8, 8), noise = Empty(2, 3, 8, 8);
        foreach (NoisePrediction.Level level in new[]
        {
            NoisePrediction.At(DiscreteNoiseSchedule.ScaledLinear(), [1, 1000], META), NoisePrediction.At(new LinearNoiseSchedule(), [0.1, 1], META),
        })
        {
            AssertMeta(NoisePrediction.Noisy(clean, noise, level));
            AssertMeta(NoisePrediction.NoisyRounded(clean, noise, level).Noisy);
            AssertMeta(NoisePrediction.MinSnrWeights(level, 5));
            AssertMeta(level.Narrow(1, 1).NetworkTime);
        }
    }

    [Fact]
    public void TheWeightsAreUpdatedOnTheDevice()
    {
        using var scope = NewDisposeScope();
        using var model = new Linear(5, 3, device: META);
        using var average = new Linear(5, 3, device: META);
        using var update = new WeightUpdate(model, average, new VaeTrainingConfig());
        update.ResetAverage();
        model.forward(Empty(2, 5)).sum().backward();
        Parameter weight = model.Weight;
        Assert.False(AdamWKernel.Supports(weight, weight.grad!));
        update.Optimizer.Update(0.1);
        new ExponentialMovingAverage(model, average, new EmaConfig()).Update(0);
        Assert.All(update.Optimizer.State, entry => AssertMeta(entry.Value));
    }

    private static Tensor Empty(params long[] shape) => empty(shape, device: META);

    private static void AssertMeta(Tensor tensor) => Assert.Equal(DeviceType.META, tensor.device_type);
}
