using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>
/// A matrix of a layer as LyCORIS keeps it: whole, <c>[out, in]</c> or a convolution's <c>[out, in, h, w]</c>; as a product, <c>[out, r]</c> and <c>[r, in]</c>; or as factors around a
/// core, <c>[n, out]</c>, <c>[m, in]</c> and <c>[n, m, h, w]</c>.
/// </summary>
internal sealed class FactoredMatrix : IDisposable
{
    private readonly Tensor[] _parts;

    private FactoredMatrix(Tensor[] parts, (long Outputs, long Inputs) size)
    {
        _parts = parts;
        (Outputs, Inputs) = size;
    }

    internal long Outputs { get; }

    // With a convolution's extent.
    internal long Inputs { get; }

    /// <summary>The parts of a matrix that is a product, with the core where the layer has one.</summary>
    internal static LoraPart[] Parts(LoraLayer layer, LoraPart output, LoraPart input, LoraPart core) => layer.Shape(core) is null ? [output, input] : [output, input, core];

    /// <summary>Reads the two matrices that a layer's change is made of.</summary>
    /// <param name="layer">Has them.</param>
    /// <param name="first">The first one's parts: one, two or three, in the order of this class's summary.</param>
    /// <param name="second">Likewise.</param>
    /// <param name="alike">Whether both must be of one size.</param>
    /// <exception cref="MuralException">Parts do not fit each other.</exception>
    internal static (FactoredMatrix First, FactoredMatrix Second) Read(LoraLayer layer, LoraPart[] first, LoraPart[] second, bool alike)
    {
        if (SizeOf(layer, first) is not { } one || SizeOf(layer, second) is not { } other || (alike && one != other))
            throw layer.Damaged($"with factors of {layer.Shapes(first)} and of {layer.Shapes(second)}, which have no product");
        FactoredMatrix Load(LoraPart[] parts, (long, long) size) => new([.. parts.Select(layer.Load)], size);
        return (Load(first, one), Load(second, other));
    }

    /// <summary>The matrix itself, a new tensor or a view of a part. Shape: <c>[out, in h w]</c>, float32.</summary>
    internal Tensor Product() => _parts switch
    {
        [var whole] => whole.to(float32).reshape(Outputs, Inputs),
        [var output, var input] => output.to(float32).mm(input.to(float32)),
        _ => LoraModule.Tucker(_parts[2], _parts[0], _parts[1]).reshape(Outputs, Inputs),
    };

    public void Dispose()
    {
        foreach (Tensor part in _parts) part.Dispose();
    }

    // The size of the matrix that parts make together; null where they do not fit each other.
    private static (long Outputs, long Inputs)? SizeOf(LoraLayer layer, LoraPart[] parts) => parts.Select(part => layer.Shape(part)!).ToArray() switch
    {
        [var whole] when whole.Length is 2 or 4 && !whole.Contains(0) => (whole[0], whole[1..].Aggregate((a, b) => a * b)),
        [[> 0 and var outputs, > 0 and var rank], [var inner, > 0 and var inputs]] when rank == inner => (outputs, inputs),
        [[> 0 and var left, > 0 and var outputs], [> 0 and var right, > 0 and var inputs], [var n, var m, > 0 and var height, > 0 and var width]] when (left, right) == (n, m) =>
            (outputs, inputs * height * width),
        _ => null,
    };
}
