using Mural.Kernels;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Kernels;

[Trait("Area", "dim")]
public class ModulatedRmsNormGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("in.residual") && golden.Has("out.added_sum"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void KernelMatches(string name) => Matches(name, KernelSet.Mural);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void ReferenceMatches(string name) => Matches(name, KernelSet.Libtorch);

    private static void Matches(string name, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        double eps = golden.Config["eps"]!.GetValue<double>();
        Tensor x = golden.Get("in.x").requires_grad_(), weight = golden.Get("in.weight").requires_grad_(), residual = golden.Get("in.residual").requires_grad_();
        Tensor y = ModulatedRmsNorm.Apply(x, weight, eps, null, null, ScalarType.Float32, kernels);
        golden.AssertMatches("out.y", y);
        y.backward([golden.Get("in.cot")]);
        golden.AssertMatches("out.grad_x", x.grad!);
        golden.AssertMatches("out.grad_weight", weight.grad!);

        x.grad = null;
        weight.grad = null;
        Tensor sum = x + residual;
        Tensor added = ModulatedRmsNorm.Apply(sum, weight, eps, null, null, ScalarType.Float32, kernels);
        golden.AssertMatches("out.added_sum", sum);
        golden.AssertMatches("out.added_y", added);
        ((added * golden.Get("in.cot")).sum() + (sum * golden.Get("in.cot_sum")).sum()).backward();
        golden.AssertMatches("out.added_grad_x", x.grad!);
        golden.AssertMatches("out.added_grad_residual", residual.grad!);
        golden.AssertMatches("out.added_grad_weight", weight.grad!);
    }
}
