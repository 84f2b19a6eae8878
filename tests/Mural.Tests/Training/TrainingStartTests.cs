using Mural.Training;

namespace Mural.Tests.Training;

/// <summary>Runs that begin from another run's weights.</summary>
public sealed class TrainingStartTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ARunDoesNotHideThatItsBeginningWasTrainedAnew()
    {
        TrainingConfig Weak(int steps) => _folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "weak"), ("steps", steps));
        TrainingConfig Strong(int steps) => _folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "strong"), ("steps", steps), ("initialise_from", "weak/result"));
        string weak = TrainingFolder.Train(Weak(1)).ResultFolder;
        TrainingFolder.Train(Strong(1));
        // Nothing changed: it goes on.
        Assert.Equal(2, TrainingFolder.Train(Strong(2)).Step);
        TrainingFolder.Train(Weak(2));
        string message = Assert.Throws<MuralException>(() => TrainingFolder.Train(Strong(3))).Message;
        Assert.Contains("began from other weights", message, StringComparison.Ordinal);
        // Where they are gone, nothing speaks against going on.
        Directory.Delete(weak, recursive: true);
        Assert.Equal(3, TrainingFolder.Train(Strong(3)).Step);
    }
}
