using Mural.Evaluation;
using Mural.Imaging;

namespace Mural.Training;

/// <summary>Settings of a judge's training.</summary>
internal sealed record JudgeTrainingConfig : TrainingConfig
{
    /// <summary>File with one word a line, relative to the settings file: captions are sets of these.</summary>
    public string Vocabulary { get; init; } = "";

    /// <summary>The sizes of the two towers.</summary>
    public JudgeArchitecture Model { get; init; } = new();

    /// <summary>How far pictures are changed before the judge sees them.</summary>
    public AugmentationConfig Augmentation { get; init; } = new();

    internal override void Check()
    {
        base.Check();
        Data.RequirePictures();
        Augmentation.Check();
        Settings.Given("vocabulary", Vocabulary, "a file with one word a line");
        if (Batch < 2) throw new MuralException($"The setting 'batch' is {Batch}; a judge learns by telling the pictures of a batch apart, so that at least 2 are needed.");
        Model.Validate();
        Data.RequireMultipleOf(Model.Downscale, "judge");
    }

    internal JudgeConfig ToJudgeConfig(int words) => new(Model, Data.Size, words, Rgb.Parse(Data.Background), Data.Fit);
}
