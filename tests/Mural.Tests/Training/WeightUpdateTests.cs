using Mural.Layers;
using Mural.Training;
using Parameter = TorchSharp.Modules.Parameter;

namespace Mural.Tests.Training;

public class WeightUpdateTests
{
    [Fact]
    public void GradientsAreScaledTogetherToTheLargestNorm()
    {
        using var scope = NewDisposeScope();
        var one = new Parameter(zeros(2));
        var other = new Parameter(zeros(1));
        var bare = new Parameter(zeros(1));
        one.grad = tensor(new[] { 3f, 0f });
        other.grad = tensor(new[] { -4f });
        Parameter[] all = [one, other, bare];
        Assert.Equal(5, GradientClipping.Clip(all, null), 1e-6);
        Assert.Equal(5, GradientClipping.Clip(all, 10), 1e-6);
        Assert.Equal(3, one.grad![0].item<float>());
        Assert.Equal(5, GradientClipping.Clip(all, 1), 1e-6);
        Assert.Equal(0.6, one.grad![0].item<float>(), 1e-5);
        Assert.Equal(-0.8, other.grad![0].item<float>(), 1e-5);
        other.grad = tensor(new[] { float.NaN });
        Assert.False(double.IsFinite(GradientClipping.Clip(all, 1)));
        Assert.Equal(0.6, one.grad![0].item<float>(), 1e-5);
        Assert.Equal(0, GradientClipping.Clip([bare], 1));
    }

    [Fact]
    public void TheAverageTakesItsShareOfEveryStep()
    {
        using var scope = NewDisposeScope();
        using nn.Module source = Layer(1), average = Layer(5);
        var moving = new ExponentialMovingAverage(source, average, new EmaConfig { Decay = 0.75 });
        moving.Update(0);
        Assert.Equal(0.75 * 5 + 0.25 * 1, Value(average), 1e-6);
        moving.Update(1);
        Assert.Equal(0.75 * 4 + 0.25 * 1, Value(average), 1e-6);
        moving.Reset();
        Assert.Equal(1, Value(average));
    }

    [Fact]
    public void AStepThatIsNotFiniteIsLeftOutAndTooManyEndTheRun()
    {
        using var scope = NewDisposeScope();
        using nn.Module model = Layer(1), average = Layer(1);
        using var update = new WeightUpdate(model, average, new VaeTrainingConfig { Optimizer = new OptimizerConfig { WeightDecay = 0.1 } });
        Parameter weight = model.parameters().First();
        for (int step = 0; step < 20; step++)
        {
            weight.grad = full_like(weight, double.PositiveInfinity);
            update.Make(step, 0.1, 1);
        }
        Assert.Equal(1, Value(model));
        Assert.Equal(0, update.Optimizer.Step);
        // A good one between starts the count anew.
        weight.grad = ones_like(weight);
        Assert.Equal(Math.Sqrt(weight.numel()), update.Make(20, 0.1, 1), 1e-5);
        Assert.Equal(1, update.Optimizer.Step);
        for (int step = 0; step < 20; step++) update.Make(step, 0.1, double.NaN);
        MuralException problem = Assert.Throws<MuralException>(() => update.Make(41, 0.1, double.NaN));
        Assert.Contains("lower 'optimizer.learning_rate'", problem.Message, StringComparison.Ordinal);
    }

    private static Linear Layer(float value)
    {
        var layer = new Linear(2, 1, bias: false);
        using var quiet = no_grad();
        layer.parameters().First().fill_(value);
        return layer;
    }

    private static float Value(nn.Module module) => module.parameters().First().flatten()[0].item<float>();
}
