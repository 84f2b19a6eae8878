using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>LoHa of LyCORIS: the product, value by value, of two low-rank matrices (arXiv 2108.06098, arXiv 2309.14859).</summary>
internal sealed class HadamardModule : LoraModule
{
    private readonly FactoredMatrix _first, _second;

    private HadamardModule(string key, (FactoredMatrix First, FactoredMatrix Second) matrices, double scale) : base(key, scale) => (_first, _second) = matrices;

    private protected override long Outputs => _first.Outputs;

    private protected override long Inputs => _first.Inputs;

    /// <summary>Reads a layer of this kind.</summary>
    /// <exception cref="MuralException">A part is missing, of another kind, or does not fit the others.</exception>
    internal static HadamardModule Read(LoraLayer layer)
    {
        LoraPart[] first = FactoredMatrix.Parts(layer, LoraPart.HadamardA1, LoraPart.HadamardB1, LoraPart.HadamardCore1);
        LoraPart[] second = FactoredMatrix.Parts(layer, LoraPart.HadamardA2, LoraPart.HadamardB2, LoraPart.HadamardCore2);
        layer.Require([.. first, .. second], [LoraPart.Alpha]);
        var matrices = FactoredMatrix.Read(layer, first, second, alike: true);
        return new HadamardModule(layer.Name, matrices, layer.Scale(layer.Shape(LoraPart.HadamardB1)![0]));
    }

    internal override Tensor Change(long[] shape)
    {
        using var scope = NewDisposeScope();
        return (_first.Product() * _second.Product()).reshape(shape).mul(Scale).MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }
}
