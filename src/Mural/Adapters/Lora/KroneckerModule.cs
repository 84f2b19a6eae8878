using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>LoKr of LyCORIS: the Kronecker product of two matrices, each whole or the product of two factors (arXiv 2212.10650, arXiv 2309.14859).</summary>
internal sealed class KroneckerModule : LoraModule
{
    private readonly FactoredMatrix _first, _second;

    private KroneckerModule(string key, (FactoredMatrix First, FactoredMatrix Second) matrices, double scale) : base(key, scale) => (_first, _second) = matrices;

    private protected override long Outputs => _first.Outputs * _second.Outputs;

    private protected override long Inputs => _first.Inputs * _second.Inputs;

    /// <summary>Reads a layer of this kind.</summary>
    /// <exception cref="MuralException">A part is missing, of another kind, or does not fit the others.</exception>
    internal static KroneckerModule Read(LoraLayer layer)
    {
        LoraPart[] first = layer.Shape(LoraPart.Kronecker1) is not null ? [LoraPart.Kronecker1] : [LoraPart.KroneckerA1, LoraPart.KroneckerB1];
        LoraPart[] second = layer.Shape(LoraPart.Kronecker2) is not null
            ? [LoraPart.Kronecker2] : FactoredMatrix.Parts(layer, LoraPart.KroneckerA2, LoraPart.KroneckerB2, LoraPart.KroneckerCore2);
        layer.Require([.. first, .. second], [LoraPart.Alpha]);
        var matrices = FactoredMatrix.Read(layer, first, second, alike: false);
        // Whole matrices have no rank to share the numerator.
        LoraPart[] ranked = second.Length > 1 ? second : first;
        return new KroneckerModule(layer.Name, matrices, ranked.Length > 1 ? layer.Scale(layer.Shape(ranked[1])![0]) : 1);
    }

    internal override Tensor Change(long[] shape)
    {
        using var scope = NewDisposeScope();
        // Row (a, c) and column (b, d) hold first[a, b] second[c, d]; a convolution's extent belongs to the columns.
        return einsum("ab,cd->acbd", _first.Product(), _second.Product()).reshape(shape).mul(Scale).MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }
}
