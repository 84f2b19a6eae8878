using Mural.DiM;
using TorchSharp.Modules;

namespace Mural.Tests.DiM;

public class GradientCheckpointTests
{
    [Theory]
    [InlineData(SkipForm.TwoLinears, ScalarType.Float32)]
    [InlineData(SkipForm.Concatenated, ScalarType.Float32)]
    [InlineData(SkipForm.TwoLinears, ScalarType.BFloat16)]
    public void GradientsAreTheSameBitForBit(SkipForm form, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig with { SkipForm = form });
        model.ComputeType = type;
        Tensor input = randn(2, 3, 8, 12).requires_grad_(), weights = randn(2, 3, 8, 12);
        Dictionary<string, Tensor> Gradients(bool checkpointing)
        {
            foreach (Parameter parameter in model.parameters()) parameter.grad = null;
            input.grad = null;
            Tensor output = model.Forward(
                input, tensor(new[] { 3f, 500f }), tensor(new[] { 1L, 4L }), new DiMForwardOptions { GradientCheckpointing = checkpointing, SkipFactors = [1, 0.9] });
            (output * weights).sum().backward();
            Dictionary<string, Tensor> gradients = model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter.grad!.clone());
            gradients.Add("input", input.grad!.clone());
            return gradients;
        }

        Dictionary<string, Tensor> plain = Gradients(false), recomputed = Gradients(true);
        Assert.All(plain, gradient => Assert.True(gradient.Value.equal(recomputed[gradient.Key]).all().item<bool>(), gradient.Key));
        Assert.All(plain, gradient => Assert.True(gradient.Value.abs().sum().item<float>() > 0, gradient.Key));
    }

    [Fact]
    public void FrozenParametersGetNoGradients()
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Parameter frozen = model.named_parameters().Single(entry => entry.name == "transformer_blocks.2.attn1.in_proj.weight").parameter;
        Parameter trained = model.named_parameters().Single(entry => entry.name == "transformer_blocks.2.attn1.out_proj.weight").parameter;
        frozen.requires_grad = false;
        model.Forward(randn(1, 3, 4, 4), tensor(3f), options: new DiMForwardOptions { GradientCheckpointing = true }).sum().backward();
        Assert.Null(frozen.grad);
        Assert.NotNull(trained.grad);
    }

    [Fact]
    public void WithoutGradientsNothingIsRecorded()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Tensor input = randn(1, 3, 4, 4);
        Tensor output = model.Forward(input, tensor(3f), options: new DiMForwardOptions { GradientCheckpointing = true });
        Assert.False(output.requires_grad);
        Assert.True(output.equal(model.Forward(input, tensor(3f))).all().item<bool>());
    }
}
