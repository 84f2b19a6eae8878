namespace Mural.Checkpoints;

/// <summary>Weights that other programs keep in few bits with scales beside them: read without these they would be other numbers.</summary>
internal static class QuantizedWeights
{
    // Ends of names: of ComfyUI's scaled fp8, of bitsandbytes and of quanto.
    private static readonly string[] Marks = ["scaled_fp8", ".scale_weight", ".weight_scale", ".absmax", ".quant_map", ".weight._data"];

    /// <exception cref="MuralException">The checkpoint holds such weights.</exception>
    internal static void Refuse(ITensorSource source)
    {
        string? scale = source.Tensors.Keys.FirstOrDefault(name => Marks.Any(mark => name.EndsWith(mark, StringComparison.Ordinal)));
        if (scale is not null)
            throw new MuralException(
                $"{source.Path} holds weights that were quantised with scales ({Quote.Name(scale)}), which is not supported; use the version in float16, bfloat16 or plain fp8.");
    }
}
