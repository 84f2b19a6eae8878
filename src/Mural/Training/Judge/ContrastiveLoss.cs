using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>
/// The symmetric contrastive loss of CLIP (arXiv 2103.00020): each picture's words have to be found among those of the batch, and each words' picture. Pictures with the
/// same words are right answers for each other, all to the same share, as in UniCL (arXiv 2204.03610).
/// </summary>
internal static class ContrastiveLoss
{
    /// <summary>The mean of both cross-entropies.</summary>
    /// <param name="pictures">Features of length 1. Shape: <c>[B, E]</c>.</param>
    /// <param name="words">Features of length 1. Shape: <c>[B, E]</c>.</param>
    /// <param name="scale">One over the temperature, a scalar.</param>
    /// <param name="captions">A number for each set of words, int64. Shape: <c>[B]</c>.</param>
    internal static Tensor Of(Tensor pictures, Tensor words, Tensor scale, Tensor captions)
    {
        using var scope = NewDisposeScope();
        Tensor logits = pictures.matmul(words.t()) * scale;
        Tensor same = captions.unsqueeze(1).eq(captions.unsqueeze(0)).to(logits.dtype);
        Tensor target = same / same.sum(1, keepdim: true);
        return ((CrossEntropy(logits, target) + CrossEntropy(logits.t(), target)) / 2).MoveToOuterDisposeScope();
    }

    private static Tensor CrossEntropy(Tensor logits, Tensor target) => -(nn.functional.log_softmax(logits, 1) * target).sum(1).mean();
}
