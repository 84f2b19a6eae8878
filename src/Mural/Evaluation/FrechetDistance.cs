using static TorchSharp.torch;

namespace Mural.Evaluation;

/// <summary>
/// The Fréchet distance between two sets of features, each taken for a normal distribution: the formula of FID (arXiv 1706.08500), with other features. In float64.
/// </summary>
internal static class FrechetDistance
{
    /// <summary>The distance between two sets of features, with unbiased covariances.</summary>
    /// <param name="first">Shape: <c>[N, D]</c>, N at least 2.</param>
    /// <param name="second">Shape: <c>[M, D]</c>, M at least 2.</param>
    internal static double Between(Tensor first, Tensor second)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        (Tensor mean1, Tensor covariance1) = Moments(first);
        (Tensor mean2, Tensor covariance2) = Moments(second);
        return Between(mean1, covariance1, mean2, covariance2);
    }

    /// <summary>|μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁^½ Σ₂ Σ₁^½)^½.</summary>
    /// <param name="mean1">μ₁, float64. Shape: <c>[D]</c>.</param>
    /// <param name="covariance1">Σ₁, float64, symmetric. Shape: <c>[D, D]</c>.</param>
    /// <param name="mean2">μ₂.</param>
    /// <param name="covariance2">Σ₂.</param>
    internal static double Between(Tensor mean1, Tensor covariance1, Tensor mean2, Tensor covariance2)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        // The product has the eigenvalues of Σ₁Σ₂ and is symmetric, so that its root needs no general matrix root, which is not stable where Σ is singular.
        (Tensor values, Tensor vectors) = linalg.eigh(covariance1);
        Tensor root = (vectors * values.clamp_min(0).sqrt()).matmul(vectors.t());
        Tensor product = root.matmul(covariance2).matmul(root);
        Tensor traceOfRoot = linalg.eigvalsh((product + product.t()) / 2).clamp_min(0).sqrt().sum();
        Tensor distance = (mean1 - mean2).square().sum() + covariance1.trace() + covariance2.trace() - 2 * traceOfRoot;
        // Rounding may take the distance of equal sets below 0.
        return Math.Max(distance.item<double>(), 0);
    }

    private static (Tensor Mean, Tensor Covariance) Moments(Tensor features)
    {
        if (features.shape[0] < 2) throw new MuralException($"A covariance needs at least 2 pictures, but there is {features.shape[0]}; give more.");
        Tensor values = features.cpu().to(ScalarType.Float64), mean = values.mean([0]);
        Tensor centred = values - mean;
        return (mean, centred.t().matmul(centred) / (values.shape[0] - 1));
    }
}
