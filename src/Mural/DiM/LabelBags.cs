using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>Checked labels of a batch: one class index each, or the words of each.</summary>
/// <param name="Indices">Rows of the label tables, int64. Shape: `[B]`, or `[B, K]` with any valid index where no word is.</param>
/// <param name="Present">null for class indices; else 1 where there is a word and 0 where not, float32. Shape: `[B, K]`.</param>
internal sealed record LabelBags(Tensor Indices, Tensor? Present)
{
    /// <summary>Checks labels and fills in the null label where a sample has none.</summary>
    /// <param name="labels">Class indices `[B]`, word indices `[B, K]` filled up with -1, or null for the null label everywhere.</param>
    /// <param name="batch">B.</param>
    /// <param name="classes">Number of labels, which is also the index of the null label.</param>
    /// <param name="device">Where the model is.</param>
    /// <exception cref="MuralException">Labels of another type, shape or range.</exception>
    internal static LabelBags From(Tensor? labels, long batch, int classes, Device device)
    {
        if (labels is null) return new LabelBags(full([batch], (long)classes, ScalarType.Int64, device), null);
        if (labels.dtype is not (ScalarType.Int64 or ScalarType.Int32 or ScalarType.Int16 or ScalarType.Int8 or ScalarType.Byte))
            throw new MuralException($"Labels came as {labels.dtype}; give class or word indices as int64.");
        if (labels.dim() is not (1 or 2) || labels.shape[0] != batch || labels.shape[^1] == 0)
            throw new MuralException($"Labels of shape [{string.Join(", ", labels.shape)}] do not fit a batch of {batch}; "
                + $"give [{batch}] class indices, or [{batch}, K] word indices filled up with -1.");
        Tensor indices = labels.to(ScalarType.Int64).to(device);
        (long least, long greatest) = (indices.min().item<long>(), indices.max().item<long>());
        bool bags = labels.dim() == 2;
        if (least < (bags ? -1 : 0) || greatest > classes)
            throw new MuralException($"Label {(greatest > classes ? greatest : least)} is out of range; "
                + $"this model knows 0 to {classes - 1}, and {classes} for no label{(bags ? ", with -1 to fill up" : "")}.");
        if (!bags) return new LabelBags(indices, null);

        // A picture without words gets the null label as its only word.
        Tensor present = indices.ge(0);
        Tensor none = present.any(1, keepdim: true).logical_not();
        Tensor first = arange(indices.shape[1], dtype: ScalarType.Int64, device: device).eq(0).unsqueeze(0);
        Tensor filled = where(none.logical_and(first), full_like(indices, classes), indices);
        return new LabelBags(filled.clamp_min(0), filled.ge(0).to(ScalarType.Float32));
    }
}
