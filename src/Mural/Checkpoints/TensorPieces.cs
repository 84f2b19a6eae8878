using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>
/// Moves tensors to and from bytes piece by piece, so that conversion never needs a second whole copy and tensors beyond the 2 GB of a
/// <see cref="Span{T}"/> work.
/// </summary>
internal static class TensorPieces
{
    // Conversion stages this many elements: a few megabytes, which stay in the processor's cache.
    private const long StagedElements = 1 << 20;

    // Pieces copied as they are only have to fit a span: at most 2^26 elements of 16 bytes.
    private const long DirectElements = 1 << 26;

    /// <summary>Writes elements from <paramref name="firstElement"/> on, as many as fill <paramref name="target"/>.</summary>
    internal delegate void Filler(long firstElement, Span<byte> target);

    /// <summary>Overwrites <paramref name="destination"/> with what <paramref name="fill"/> gives, in row-major order, as elements of <paramref name="type"/>.</summary>
    internal static void Fill(Tensor destination, ScalarType type, Filler fill)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        Tensor target = destination.detach();
        bool direct = target.dtype == type && target.device_type == TorchSharp.DeviceType.CPU && target.is_contiguous();
        long first = 0;
        Tensor? staging = null;
        foreach (Tensor piece in Split(target, direct ? DirectElements : StagedElements))
        {
            using TorchSharp.DisposeScope pieceScope = NewDisposeScope();
            long elements = piece.numel();
            if (direct)
            {
                fill(first, piece.bytes);
            }
            else
            {
                if (staging is null || staging.numel() < elements) staging = empty([elements], type).MoveToOtherDisposeScope(scope);
                Tensor staged = staging.narrow(0, 0, elements);
                fill(first, staged.bytes);
                piece.copy_(staged.view(piece.shape));
            }
            first += elements;
        }
    }

    /// <summary>Hands the elements of <paramref name="source"/>, converted to <paramref name="type"/>, to <paramref name="write"/> in row-major order.</summary>
    internal static void Drain(Tensor source, ScalarType type, Action<Tensor> write)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        Tensor from = source.detach();
        bool direct = from.dtype == type && from.device_type == TorchSharp.DeviceType.CPU && from.is_contiguous();
        foreach (Tensor piece in Split(from, direct ? DirectElements : StagedElements))
        {
            using TorchSharp.DisposeScope pieceScope = NewDisposeScope();
            write(direct ? piece : piece.to(type).cpu().contiguous());
        }
    }

    // Pieces follow each other in row-major order; each is dropped when the next is asked for.
    private static IEnumerable<Tensor> Split(Tensor tensor, long limit)
    {
        long elements = tensor.numel();
        if (elements == 0) yield break;
        if (tensor.is_contiguous())
        {
            using Tensor flat = tensor.view(-1);
            for (long start = 0; start < elements; start += limit)
            {
                using Tensor piece = flat.narrow(0, start, Math.Min(limit, elements - start));
                yield return piece;
            }
            yield break;
        }
        if (elements <= limit)
        {
            yield return tensor;
            yield break;
        }
        for (long row = 0; row < tensor.shape[0]; row++)
        {
            using Tensor slice = tensor.select(0, row);
            foreach (Tensor piece in Split(slice, limit)) yield return piece;
        }
    }
}
