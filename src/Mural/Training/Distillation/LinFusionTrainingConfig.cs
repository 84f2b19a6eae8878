using Mural.Checkpoints;
using Mural.LinFusion;

namespace Mural.Training;

/// <summary>What the parts of the distillation's loss weigh beside that of the noise, which weighs 1 (spec linfusion.md 3.1).</summary>
public sealed record DistillationWeights
{
    /// <summary>That of the difference between the two networks' predictions.</summary>
    public double Output { get; init; } = 0.5;

    /// <summary>That of the difference between their self-attentions' results.</summary>
    public double Feature { get; init; } = 0.5;

    internal void Check()
    {
        Settings.InRange("loss.output", Output, 0, 1000);
        Settings.InRange("loss.feature", Feature, 0, 1000);
    }
}

/// <summary>What a sheet shows: for each caption the teacher's picture and, right of it, the student's from the same noise.</summary>
public sealed record DistillationSheetConfig
{
    /// <summary>Captions on a sheet.</summary>
    public int Captions { get; init; } = 4;

    /// <summary>Sampling steps.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>Guidance scale; null for the model's.</summary>
    public double? Guidance { get; init; }

    internal void Check()
    {
        Settings.InRange("sheet.captions", Captions, 1, 256);
        Settings.Sampling("sheet", Steps, Guidance);
    }
}

/// <summary>How the teacher samples the latents of captions that have no pictures.</summary>
public sealed record TeacherSamplesConfig
{
    /// <summary>Sampling steps.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>Guidance scale; null for the model's.</summary>
    public double? Guidance { get; init; }

    internal void Check() => Settings.Sampling("teacher_samples", Steps, Guidance);
}

/// <summary>
/// Settings of the distillation that gives a Stable Diffusion linear attention (spec linfusion.md 3): the model teaches itself. Its pictures have captions: in the list's
/// <c>caption</c>, in a text file beside each picture, or their words.
/// </summary>
public sealed record LinFusionTrainingConfig : TrainingConfig
{
    /// <summary>The model, a folder or a file, relative to the settings file.</summary>
    public string Teacher { get; init; } = "";

    /// <summary>What takes the place of the self-attentions.</summary>
    public LinearMixer Mixer { get; init; } = LinearMixer.LinFusion;

    /// <summary>How many times narrower than the tokens the perceptrons before queries and keys are: 1 in the releases for Stable Diffusion 1 and 2, 16 in that for SDXL.</summary>
    public int MlpDivisor { get; init; } = 1;

    /// <summary>A LinFusion checkpoint that a new run starts from, relative to the settings file; null to start from the model's own attention (spec 3.3).</summary>
    public string? InitialiseFrom { get; init; }

    internal override string? Start => InitialiseFrom;

    /// <summary>The parts of the loss.</summary>
    public DistillationWeights Loss { get; init; } = new();

    /// <summary>How latents are made where <see cref="Data.DataConfig.Captions"/> gives captions alone; null for the defaults.</summary>
    public TeacherSamplesConfig? TeacherSamples { get; init; }

    /// <summary>
    /// Drawings of noise that each sample is trained with. What the teacher says of each is computed once and kept on disk, in the cache of the data; 0 draws noise anew each time
    /// and keeps nothing.
    /// </summary>
    public int TeacherCacheDraws { get; init; }

    /// <summary>Computes the student's blocks a second time in the backward pass instead of keeping what they need: about a third more time, a fraction of the memory.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>The sheets of samples.</summary>
    public DistillationSheetConfig Sheet { get; init; } = new();

    internal override void Check()
    {
        base.Check();
        Settings.Given("teacher", Teacher, "the Stable Diffusion model whose attention is to become linear");
        Settings.InRange("mlp_divisor", MlpDivisor, 1, 1024);
        if (MlpDivisor != 1 && !LinFusionConfig.HasMlp(Mixer))
            throw new MuralException($"The setting 'mlp_divisor' is {MlpDivisor}, but the mixer {EnumNames.Of(Mixer)} has no perceptrons; leave it out.");
        Settings.InRange("teacher_cache_draws", TeacherCacheDraws, 0, 1000);
        if (Data.Captions is not null && Data.Flip) throw new MuralException("The setting 'data.flip' mirrors pictures, which 'data.captions' does not have; leave it out.");
        if (Data.Captions is null && TeacherSamples is not null)
            throw new MuralException("The setting 'teacher_samples' is for captions without pictures, but the data has pictures; leave it out, or give 'data.captions'.");
        Loss.Check();
        TeacherSamples?.Check();
        Sheet.Check();
    }
}
