using Mural.Layers;
using Mural.Runtime;

namespace Mural.Tests.Layers;

/// <summary>A layer whose weight is changed is the layer with the changed weight, and itself again afterwards, in whatever form it holds its weight.</summary>
public class WeightChangeTests
{
    public static TheoryData<KernelSet?, ScalarType> Forms => new()
    {
        { null, ScalarType.Float32 }, { null, ScalarType.BFloat16 }, { KernelSet.Mural, ScalarType.Float32 }, { KernelSet.Mural, ScalarType.BFloat16 },
        { KernelSet.Libtorch, ScalarType.Float32 }, { KernelSet.Libtorch, ScalarType.BFloat16 },
    };

    [Theory, MemberData(nameof(Forms))]
    public void ALinearLayer(KernelSet? kernels, ScalarType type)
    {
        using var scope = NewDisposeScope();
        Tensor input = randn(5, 37).to(type);
        foreach ((int outputs, bool bias) in new[] { (19, true), (64, false) }) Check(() => new Linear(37, outputs, bias, parameters: type), input, kernels, type);
    }

    [Theory, MemberData(nameof(Forms))]
    public void AConvolution(KernelSet? kernels, ScalarType type)
    {
        using var scope = NewDisposeScope();
        Tensor input = randn(2, 32, 9, 11).to(type);
        foreach ((int outputs, int kernel, int stride) in new[] { (48, 3, 1), (32, 3, 2), (20, 1, 1) })
            Check(() => new Conv2d(32, outputs, kernel, stride, padding: kernel / 2, parameters: type), input, kernels, type);
    }

    [Theory, MemberData(nameof(Forms))]
    public void AJoinedLayersRows(KernelSet? kernels, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Linear[] parts = [.. new[] { 8, 24, 16 }.Select(outputs => new Linear(32, outputs, parameters: type))];
        Tensor[] own = [.. parts.Select(part => part.Weight.detach().clone())];
        using Linear joined = Linear.Join(parts);
        if (kernels is { } chosen) joined.Freeze(chosen, type);
        Assert.Equal([(joined, 0L), (joined, 8L), (joined, 32L)], parts.Select(part => part.Place));
        Assert.Equal([24L, 32L], parts[1].WeightShape);
        Tensor change = randn(24, 32), input = randn(5, 32).to(type), before = joined.forward(input);
        joined.ChangeWeight(weight => weight.narrow(0, 8, 24).add_(change), keep: true);
        Tensor[] after = joined.forward(input).split([8, 24, 16], 1), expected = before.split([8, 24, 16], 1);
        Assert.True(expected[0].equal(after[0]).all().item<bool>() && expected[2].equal(after[2]).all().item<bool>());
        using var changed = new Linear(32, 24, parameters: type);
        changed.Weight.copy_(own[1].to(float32) + change);
        changed.Bias!.zero_();
        Assert.InRange(((changed.forward(input) - after[1]).to(float32).norm() / after[1].to(float32).norm()).item<float>(), 0, type == ScalarType.Float32 ? 1e-6 : 1e-2);
        joined.RestoreWeight();
        Assert.True(before.equal(joined.forward(input)).all().item<bool>());
        foreach (Linear part in parts) part.Dispose();
    }

    [Fact]
    public void WhatIsNotKeptIsChangedForGood()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using var layer = new Linear(8, 4);
        layer.Freeze(KernelSet.Mural, float32);
        Tensor input = randn(3, 8), before = layer.forward(input);
        layer.ChangeWeight(weight => weight.add_(1), keep: false);
        layer.RestoreWeight();
        Assert.InRange((layer.forward(input) - before - input.sum(1, keepdim: true)).abs().max().item<float>(), 0, 1e-5);
    }

    private static void Check(Func<WeightedLayer> create, Tensor input, KernelSet? kernels, ScalarType type)
    {
        using IDisposable guard = no_grad();
        manual_seed(3);
        using WeightedLayer layer = create();
        manual_seed(3);
        using WeightedLayer other = create();
        Tensor change = randn(layer.WeightShape), second = randn(layer.WeightShape);
        other.Weight.copy_(other.Weight.to(float32) + change);
        if (kernels is { } chosen)
        {
            layer.Freeze(chosen, type);
            other.Freeze(chosen, type);
        }
        Tensor before = layer.forward(input);
        layer.ChangeWeight(weight => weight.add_(second), keep: true);
        layer.ChangeWeight(weight => weight.add_(change), keep: true);
        Assert.True(other.forward(input).equal(layer.forward(input)).all().item<bool>());
        layer.RestoreWeight();
        Assert.True(before.equal(layer.forward(input)).all().item<bool>());
        layer.RestoreWeight();
        Assert.True(before.equal(layer.forward(input)).all().item<bool>());
    }
}
