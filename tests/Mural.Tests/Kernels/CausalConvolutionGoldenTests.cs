using System.Text.Json.Nodes;
using Mural.Kernels;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Kernels;

[Trait("Area", "dim")]
public class CausalConvolutionGoldenTests
{
    private const string Activation = "activation";

    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("in.x") && golden.Has("in.weight")
        && (golden.Has("mid.pre_silu") || golden.Config.AsObject().ContainsKey(Activation)));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void KernelMatches(string name) => Matches(name, KernelSet.Mural);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void ReferenceMatches(string name) => Matches(name, KernelSet.Libtorch);

    private static void Matches(string name, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        bool told = golden.Config.AsObject().TryGetPropertyValue(Activation, out JsonNode? activation);
        Assert.True(!told || activation?.GetValue<string>() is "silu" or "swish", $"{golden.Name} has no SiLU, with which DiM's convolution always ends");
        Tensor x = golden.Get("in.x").requires_grad_(), weight = golden.Get("in.weight").requires_grad_(), bias = golden.Get("in.bias").requires_grad_();
        Tensor y = CausalConvolution.Apply(x.transpose(1, 2), weight, bias, null, kernels);
        golden.AssertMatches("out.y", y.transpose(1, 2));
        y.backward([golden.Get("in.cot").transpose(1, 2)]);
        golden.AssertMatches("out.grad_x", x.grad!);
        golden.AssertMatches("out.grad_weight", weight.grad!);
        golden.AssertMatches("out.grad_bias", bias.grad!);
    }
}
