using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Clipping by the norm of all gradients together, as <c>torch.nn.utils.clip_grad_norm_</c>.</summary>
internal static class GradientClipping
{
    /// <summary>Scales all gradients in place so that their common norm is at most <paramref name="maximum"/>.</summary>
    /// <param name="parameters">Parameters whose gradients count; those without one are left out.</param>
    /// <param name="maximum">Largest norm; null only measures.</param>
    /// <returns>The norm before clipping; not finite where a gradient is not, and then nothing is scaled.</returns>
    public static double Clip(IEnumerable<Parameter> parameters, double? maximum)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor[] gradients = [.. parameters.Select(p => p.grad).OfType<Tensor>()];
        if (gradients.Length == 0) return 0;
        double norm = stack(gradients.Select(g => g.norm().to(float32))).norm().item<float>();
        if (maximum is not double limit || !double.IsFinite(norm)) return norm;
        double factor = limit / (norm + 1e-6);
        if (factor < 1)
            foreach (Tensor gradient in gradients) gradient.mul_(factor);
        return norm;
    }
}
