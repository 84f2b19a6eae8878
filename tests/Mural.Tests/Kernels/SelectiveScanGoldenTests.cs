using Mural.Kernels;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Kernels;

/// <summary>The official scan: output, last state and every gradient. Its layout is [B, E, L].</summary>
[Trait("Area", "dim")]
public class SelectiveScanGoldenTests
{
    private static readonly string[] Optional = ["D", "z", "delta_bias"];

    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("in.A") && golden.Has("in.delta") && golden.Has("out.last_state"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void KernelMatches(string name) => Matches(name, KernelSet.Mural);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void ReferenceMatches(string name) => Matches(name, KernelSet.Libtorch);

    private static void Matches(string name, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        Assert.False(golden.Config["delta_softplus"]?.GetValue<bool>() == false, $"{golden.Name} has a delta without softplus, which DiM's scan always takes");
        Dictionary<string, Tensor> leaves = [];
        foreach (string input in (string[])["u", "delta", "A", "B", "C", .. Optional])
            if (golden.Has("in." + input)) leaves[input] = golden.Get("in." + input).requires_grad_();
        Tensor Tokens(string input) => leaves[input].transpose(1, 2).contiguous();

        (Tensor output, Tensor last) = SelectiveScan.ApplyWithState(
            Tokens("u"), Tokens("delta"), leaves["A"], Tokens("B"), Tokens("C"), leaves.GetValueOrDefault("D") ?? zeros(leaves["A"].shape[0]),
            leaves.ContainsKey("z") ? Tokens("z") : null, leaves.GetValueOrDefault("delta_bias"), null, kernels);
        golden.AssertMatches("out.y", output.transpose(1, 2));
        golden.AssertMatches("out.last_state", last);

        output.backward([golden.Get("in.cot").transpose(1, 2)]);
        foreach ((string input, Tensor leaf) in leaves) golden.AssertMatches("out.grad_" + input, leaf.grad!);
    }
}
