using Mural.Attention;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>What a student has to learn of its teacher, as three mean squares in float32 (spec 3.1).</summary>
/// <param name="Noise">Between the student's prediction and what the scheduler asks for.</param>
/// <param name="Output">Between the student's prediction and the teacher's.</param>
/// <param name="Feature">Between the results of their self-attentions: the mean over the layers of each layer's mean.</param>
internal sealed record DistillationLosses(Tensor Noise, Tensor Output, Tensor Feature)
{
    /// <summary>Their weighted sum, a scalar that backward can be called on.</summary>
    internal Tensor Total(double output, double feature)
    {
        using DisposeScope scope = NewDisposeScope();
        return (Noise + output * Output + feature * Feature).MoveToOuterDisposeScope();
    }
}

/// <summary>A UNet with softmax attention and the same one with linear attention, each with the texts that it was shown.</summary>
/// <param name="Teacher">Gives no gradients.</param>
/// <param name="TeacherPrompt">Prepared by the teacher.</param>
/// <param name="Student">Its linear attentions alone are trained.</param>
/// <param name="StudentPrompt">Prepared by the student, for the same conditions.</param>
internal sealed record Distillation(UNet2DConditionModel Teacher, PreparedPrompt TeacherPrompt, UNet2DConditionModel Student, PreparedPrompt StudentPrompt)
{
    /// <summary>Sees the mean square of each layer's results, in the order in which they run.</summary>
    internal Action<Tensor>? OnLayer { get; init; }

    /// <summary>Lets gradients reach the linear attentions of a student and nothing else (spec 3.2).</summary>
    internal static void Freeze(UNet2DConditionModel student)
    {
        foreach (TorchSharp.Modules.Parameter parameter in student.parameters()) parameter.requires_grad = false;
        foreach (TorchSharp.Modules.Parameter parameter in student.LinearAttentions().parameters()) parameter.requires_grad = true;
    }

    /// <summary>Runs both on the same inputs, each on its own activations.</summary>
    /// <param name="noisy">Noisy latents, float32. Shape: `[B, C, h, w]`.</param>
    /// <param name="timesteps">The timestep of each. Shape: `[B]`.</param>
    /// <param name="target">What the scheduler asks for, float32. Shape: `[B, C, h, w]`.</param>
    internal DistillationLosses Losses(Tensor noisy, Tensor timesteps, Tensor target)
    {
        using DisposeScope scope = NewDisposeScope();
        var features = new Queue<Tensor>();
        Tensor taught;
        using (no_grad())
        {
            // What is seen may be written over afterwards.
            taught = Teacher.Run(noisy, timesteps, TeacherPrompt, observe: (part, result) =>
            {
                if (part is ISelfAttention) features.Enqueue(result.clone().MoveToOtherDisposeScope(scope));
            });
        }
        var layers = new List<Tensor>();
        Tensor learned = Student.Run(noisy, timesteps, StudentPrompt, observe: (part, result) =>
        {
            if (part is not ISelfAttention) return;
            using Tensor wanted = features.Dequeue();
            Tensor layer = MeanSquare(result, wanted).MoveToOtherDisposeScope(scope);
            OnLayer?.Invoke(layer);
            layers.Add(layer);
        });
        return new DistillationLosses(
            MeanSquare(learned, target).MoveToOuterDisposeScope(), MeanSquare(learned, taught).MoveToOuterDisposeScope(), stack(layers).mean().MoveToOuterDisposeScope());
    }

    private static Tensor MeanSquare(Tensor found, Tensor wanted)
    {
        using DisposeScope scope = NewDisposeScope();
        return (found.to(ScalarType.Float32) - wanted.to(ScalarType.Float32)).square().mean().MoveToOuterDisposeScope();
    }
}
