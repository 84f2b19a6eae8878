using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>LoKr of LyCORIS: the Kronecker product of two matrices, each whole or the product of two factors (arXiv 2212.10650, arXiv 2309.14859).</summary>
internal sealed class KroneckerModule : LoraModule
{
    // A whole matrix, or two factors, or two factors and the core between them.
    private readonly Tensor[] _first, _second;

    private KroneckerModule(string key, Tensor[] first, Tensor[] second, double scale) : base(key, scale)
    {
        _first = first;
        _second = second;
    }

    private protected override long Outputs => OutputsOf(_first) * OutputsOf(_second);

    private protected override long Inputs => InputsOf(_first) * InputsOf(_second);

    /// <summary>Reads a layer of this kind.</summary>
    /// <exception cref="MuralException">A part is missing, of another kind, or does not fit the others.</exception>
    internal static KroneckerModule Read(LoraLayer layer)
    {
        LoraPart[] first = layer.Shape(LoraPart.Kronecker1) is not null ? [LoraPart.Kronecker1] : [LoraPart.KroneckerA1, LoraPart.KroneckerB1];
        LoraPart[] second = layer.Shape(LoraPart.Kronecker2) is not null ? [LoraPart.Kronecker2]
            : layer.Shape(LoraPart.KroneckerCore2) is not null ? [LoraPart.KroneckerA2, LoraPart.KroneckerB2, LoraPart.KroneckerCore2]
            : [LoraPart.KroneckerA2, LoraPart.KroneckerB2];
        layer.Require([.. first, .. second], [LoraPart.Alpha]);
        if (!Fits(layer, first) || !Fits(layer, second)) throw layer.Damaged($"with factors of {layer.Shapes([.. first, .. second])}, which have no product");
        // Whole matrices have no rank to share the numerator.
        LoraPart[] ranked = second.Length > 1 ? second : first;
        double scale = ranked.Length > 1 ? layer.Scale(layer.Shape(ranked[1])![0]) : 1;
        return new KroneckerModule(layer.Name, [.. first.Select(part => layer.Load(part))], [.. second.Select(part => layer.Load(part))], scale);
    }

    internal override Tensor Change(long[] shape)
    {
        using var scope = NewDisposeScope();
        // Row (a, c) and column (b, d) hold first[a, b] second[c, d]; a convolution's extent belongs to the columns.
        return einsum("ab,cd->acbd", Matrix(_first), Matrix(_second)).reshape(shape).mul(Scale).MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        foreach (Tensor tensor in _first) tensor.Dispose();
        foreach (Tensor tensor in _second) tensor.Dispose();
    }

    private static bool Fits(LoraLayer layer, LoraPart[] parts) => parts.Select(part => layer.Shape(part)!).ToArray() switch
    {
        [var whole] => whole.Length is 2 or 4 && !whole.Contains(0),
        [[> 0, > 0 and var rank], [var inner, > 0]] => rank == inner,
        [[var left, > 0], [var right, > 0], [var n, var m, > 0, > 0]] => left > 0 && right > 0 && (left, right) == (n, m),
        _ => false,
    };

    private static long OutputsOf(Tensor[] parts) => parts[0].shape[parts.Length == 3 ? 1 : 0];

    private static long InputsOf(Tensor[] parts) => parts.Length switch
    {
        1 => parts[0].numel() / parts[0].shape[0],
        2 => parts[1].shape[1],
        _ => parts[1].shape[1] * parts[2].shape[2] * parts[2].shape[3],
    };

    private static Tensor Matrix(Tensor[] parts) => parts.Length switch
    {
        1 => parts[0].to(float32).reshape(parts[0].shape[0], -1),
        2 => parts[0].to(float32).mm(parts[1].to(float32)),
        _ => Tucker(parts[2], parts[0], parts[1]).reshape(parts[0].shape[1], -1),
    };
}
