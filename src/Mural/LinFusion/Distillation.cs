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

/// <summary>What a teacher says of noisy latents.</summary>
/// <param name="Output">Its prediction.</param>
/// <param name="Features">The results of its self-attentions, in the order in which they run.</param>
internal sealed record Teaching(Tensor Output, IReadOnlyList<Tensor> Features) : IDisposable
{
    public void Dispose()
    {
        Output.Dispose();
        foreach (Tensor feature in Features) feature.Dispose();
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

    /// <summary>Whether the backward pass computes the student's blocks once more instead of keeping what they need.</summary>
    internal bool Recompute { get; init; }

    /// <summary>Lets gradients reach the linear attentions of a student and nothing else (spec 3.2).</summary>
    internal static void Freeze(UNet2DConditionModel student)
    {
        foreach (TorchSharp.Modules.Parameter parameter in student.parameters()) parameter.requires_grad = false;
        foreach (TorchSharp.Modules.Parameter parameter in student.LinearAttentions().parameters()) parameter.requires_grad = true;
    }

    /// <summary>Runs the teacher.</summary>
    /// <param name="noisy">Noisy latents, float32. Shape: `[B, C, h, w]`.</param>
    /// <param name="timesteps">The timestep of each. Shape: `[B]`.</param>
    internal Teaching Teach(Tensor noisy, Tensor timesteps)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable quiet = no_grad();
        var features = new List<Tensor>();
        Tensor output = Teacher.Run(noisy, timesteps, TeacherPrompt, observe: (part, result) =>
        {
            // What is seen may be written over afterwards.
            if (part is ISelfAttention) features.Add(result.clone().MoveToOtherDisposeScope(scope));
        });
        return new Teaching(output.MoveToOuterDisposeScope(), [.. features.Select(feature => feature.MoveToOuterDisposeScope())]);
    }

    /// <summary>Runs the student on what the teacher was shown, each on its own activations.</summary>
    /// <param name="noisy">Noisy latents, float32. Shape: `[B, C, h, w]`.</param>
    /// <param name="timesteps">The timestep of each. Shape: `[B]`.</param>
    /// <param name="target">What the scheduler asks for, float32. Shape: `[B, C, h, w]`.</param>
    /// <param name="taught">The teacher's part.</param>
    internal DistillationLosses Losses(Tensor noisy, Tensor timesteps, Tensor target, Teaching taught)
    {
        using DisposeScope scope = NewDisposeScope();
        var layers = new List<Tensor>();
        Tensor learned = Student.Run(noisy, timesteps, StudentPrompt, recompute: Recompute, observe: (part, result) =>
        {
            if (part is not ISelfAttention) return;
            Tensor layer = MeanSquare(result, taught.Features[layers.Count]).MoveToOtherDisposeScope(scope);
            OnLayer?.Invoke(layer);
            layers.Add(layer);
        });
        return new DistillationLosses(
            MeanSquare(learned, target).MoveToOuterDisposeScope(), MeanSquare(learned, taught.Output).MoveToOuterDisposeScope(), stack(layers).mean().MoveToOuterDisposeScope());
    }

    private static Tensor MeanSquare(Tensor found, Tensor wanted)
    {
        using DisposeScope scope = NewDisposeScope();
        return (found.to(ScalarType.Float32) - wanted.to(ScalarType.Float32, found.device)).square().mean().MoveToOuterDisposeScope();
    }
}
