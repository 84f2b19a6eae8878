using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>LoHa of LyCORIS: the product, value by value, of two low-rank matrices (arXiv 2108.06098, arXiv 2309.14859).</summary>
internal sealed class HadamardModule : LoraModule
{
    private readonly Factor _first, _second;

    private HadamardModule(string key, Factor first, Factor second, double scale) : base(key, scale)
    {
        _first = first;
        _second = second;
    }

    private protected override long Outputs => _first.Outputs;

    private protected override long Inputs => _first.Inputs;

    /// <summary>Reads a layer of this kind.</summary>
    /// <exception cref="MuralException">A part is missing, of another kind, or does not fit the others.</exception>
    internal static HadamardModule Read(LoraLayer layer)
    {
        layer.Require([LoraPart.HadamardA1, LoraPart.HadamardB1, LoraPart.HadamardA2, LoraPart.HadamardB2], [LoraPart.HadamardCore1, LoraPart.HadamardCore2, LoraPart.Alpha]);
        (long Outputs, long Inputs)? first = SizeOf(layer, LoraPart.HadamardA1, LoraPart.HadamardB1, LoraPart.HadamardCore1);
        (long Outputs, long Inputs)? second = SizeOf(layer, LoraPart.HadamardA2, LoraPart.HadamardB2, LoraPart.HadamardCore2);
        if (first is null || first != second)
            throw layer.Damaged(
                $"with factors of {layer.Shapes(LoraPart.HadamardA1, LoraPart.HadamardB1)} and of {layer.Shapes(LoraPart.HadamardA2, LoraPart.HadamardB2)}, which have no product");
        double scale = layer.Scale(layer.Shape(LoraPart.HadamardB1)![0]);
        Factor Load(LoraPart a, LoraPart b, LoraPart core) => new(layer.Load(a), layer.Load(b), layer.Shape(core) is null ? null : layer.Load(core));
        return new HadamardModule(
            layer.Name, Load(LoraPart.HadamardA1, LoraPart.HadamardB1, LoraPart.HadamardCore1), Load(LoraPart.HadamardA2, LoraPart.HadamardB2, LoraPart.HadamardCore2), scale);
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

    // What the parts of a factor make together; null where they do not fit.
    private static (long Outputs, long Inputs)? SizeOf(LoraLayer layer, LoraPart a, LoraPart b, LoraPart core) => (layer.Shape(a), layer.Shape(b), layer.Shape(core)) switch
    {
        ([> 0 and var outputs, > 0 and var rank], [var inner, > 0 and var inputs], null) when rank == inner => (outputs, inputs),
        ([> 0 and var left, > 0 and var outputs], [> 0 and var right, > 0 and var inputs], [var n, var m, > 0 and var height, > 0 and var width]) when (left, right) == (n, m) =>
            (outputs, inputs * height * width),
        _ => null,
    };

    /// <summary>One of the two matrices: <c>[out, r]</c> times <c>[r, in]</c>, or <c>[r, out]</c> and <c>[r, in]</c> around a core.</summary>
    private sealed record Factor(Tensor A, Tensor B, Tensor? Core)
    {
        internal long Outputs => A.shape[Core is null ? 0 : 1];

        internal long Inputs => B.shape[1] * (Core is null ? 1 : Core.shape[2] * Core.shape[3]);

        // [out, in] or [out, in, h, w]
        internal Tensor Product() => Core is null ? A.to(float32).mm(B.to(float32)) : Tucker(Core, A, B);

        internal void Dispose()
        {
            A.Dispose();
            B.Dispose();
            Core?.Dispose();
        }
    }
}
