using System.Text.Json.Nodes;
using Mural.Training;

namespace Mural.Tests.Training;

/// <summary>A run that was stopped, killed or damaged goes on as if it never was.</summary>
public sealed class ResumeTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public static TheoryData<string> Trainings =>
        [TrainingFolder.ClassesOfPixels, TrainingFolder.WordsOfLatents, TrainingFolder.Captions, TrainingFolder.Autoencoder, TrainingFolder.Judge];

    public void Dispose() => _folder.Dispose();

    [Theory, MemberData(nameof(Trainings))]
    public void TenStepsAndTenMoreAreTwentyBitForBit(string settings)
    {
        TrainingOutcome whole = TrainingFolder.Train(_folder.Settings(settings, ("run", "whole")));
        Assert.True(whole.Finished);
        TrainingConfig halves = _folder.Settings(settings, ("run", "halves"));
        TrainingOutcome first = TrainingFolder.Train(halves, stopAfter: 10);
        Assert.False(first.Finished);
        Assert.Equal(10, first.Step);
        Assert.True(TrainingFolder.Train(halves).Finished);
        AssertSame("whole", "halves");
    }

    [Fact]
    public void ATruncatedCheckpointIsPassedOverForTheOneBefore()
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "whole")));
        // A checkpoint after every step.
        TrainingConfig broken = _folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "broken"), ("checkpoint_minutes", 1e-9));
        TrainingFolder.Train(broken, stopAfter: 10);
        Assert.Equal(["step-000000009", "step-000000010"], Checkpoints("broken"));
        Cut(Path.Combine(_folder.Checkpoint("broken", 10), "ema.safetensors"));
        Directory.CreateDirectory(_folder.Checkpoint("broken", 11) + ".partial");

        var messages = new List<string>();
        var steps = new List<long>();
        TrainingFolder.Train(broken, watch: progress =>
        {
            if (progress.Message is { } message) messages.Add(message);
            else steps.Add(progress.Step);
        });
        Assert.Contains(messages, message => message.Contains("step-000000010 is damaged (ema.safetensors", StringComparison.Ordinal));
        Assert.Equal(10, steps[0]);
        AssertSame("whole", "broken");
        Assert.Equal(["step-000000019", "step-000000020"], Checkpoints("broken"));
    }

    [Fact]
    public void ADamagedCheckpointIsNotCountedAmongTheNewest()
    {
        TrainingConfig config = _folder.Settings(TrainingFolder.ClassesOfPixels);
        TrainingFolder.Train(config, stopAfter: 5);
        TrainingFolder.Train(config, stopAfter: 10);
        Cut(Path.Combine(_folder.Checkpoint("run", 10), "model.safetensors"));
        // Stopped again before it reaches the damaged step.
        TrainingFolder.Train(config, stopAfter: 7);
        Assert.Equal(["step-000000005", "step-000000007"], Checkpoints("run"));
    }

    [Fact]
    public void WithoutAWholeCheckpointTheRunIsRefused()
    {
        TrainingConfig config = _folder.Settings(TrainingFolder.ClassesOfPixels);
        TrainingFolder.Train(config, stopAfter: 3);
        File.Delete(Path.Combine(_folder.Checkpoint("run", 3), "optimizer.safetensors"));
        MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(config));
        Assert.Contains("None of the checkpoints", problem.Message, StringComparison.Ordinal);
        Assert.Contains("start the run anew in another folder", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AStateWithoutAVersionIsOfTheFirst()
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "whole")));
        TrainingConfig older = _folder.Settings(TrainingFolder.ClassesOfPixels, ("run", "older"));
        TrainingFolder.Train(older, stopAfter: 10);
        ChangeState(_folder.Checkpoint("older", 10), state =>
        {
            Assert.Equal(1, state["version"]!.GetValue<int>());
            Assert.True(state.Remove("version"));
        });
        Assert.True(TrainingFolder.Train(older).Finished);
        AssertSame("whole", "older");
    }

    [Theory]
    [InlineData("2")]
    [InlineData("0")]
    [InlineData("\"1.1\"")]
    public void AnotherVersionIsRefusedAndNotPassedOver(string version)
    {
        // A checkpoint after every step, so that there is an older one to fall back on.
        TrainingConfig config = _folder.Settings(TrainingFolder.ClassesOfPixels, ("checkpoint_minutes", 1e-9));
        TrainingFolder.Train(config, stopAfter: 3);
        ChangeState(_folder.Checkpoint("run", 3), state =>
        {
            state["version"] = JsonNode.Parse(version);
            // What nobody knows yet may stand beside it, in any form.
            state["files"] = JsonNode.Parse("[]");
        });
        MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(config));
        Assert.Contains($"has the format version {version}, where this program reads version 1", problem.Message, StringComparison.Ordinal);
        Assert.Equal(["step-000000002", "step-000000003"], Checkpoints("run"));
    }

    [Theory]
    [InlineData("seed", 7)]
    [InlineData("batch", 4)]
    [InlineData("model.width", 32)]
    [InlineData("data.size", 32)]
    public void ARunDoesNotGoOnWithOtherSettings(string key, int value)
    {
        TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels), stopAfter: 1);
        MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, (key, JsonValue.Create(value)))));
        Assert.Contains("was made with other settings", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFolderThatIsTrainedIntoIsRefused()
    {
        TrainingConfig config = _folder.Settings(TrainingFolder.ClassesOfPixels);
        using (RunFolder.Take(_folder.At("run")))
        {
            MuralException problem = Assert.Throws<MuralException>(() => TrainingFolder.Train(config));
            Assert.Equal($"Another process is training into '{_folder.At("run")}'; wait for it, stop it, or choose another 'run'.", problem.Message);
        }
        Assert.Equal(1, TrainingFolder.Train(config, stopAfter: 1).Step);
    }

    [Fact]
    public void StoppingSavesEverythingAndLeavesNothingHalfWritten()
    {
        TrainingOutcome stopped = TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels), stopAfter: 2);
        Assert.Equal((false, 2L), (stopped.Finished, stopped.Step));
        Assert.Equal(
            ["ema.safetensors", "model.safetensors", "optimizer.safetensors", "state.json"],
            Directory.GetFiles(_folder.Checkpoint("run", 2)).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.GetFiles(_folder.At("."), "*.tmp", SearchOption.AllDirectories));
        Assert.Single(Directory.GetDirectories(_folder.At("run/checkpoints")));
    }

    [Fact]
    public void AFinishedRunHasNothingLeftToDoAndMoreStepsGoOn()
    {
        TrainingConfig config = _folder.Settings(TrainingFolder.ClassesOfPixels, ("steps", 2));
        TrainingFolder.Train(config);
        Assert.Equal(new TrainingOutcome(true, 2, null, _folder.At("run"), _folder.At("run/result")), TrainingFolder.Train(config));
        Assert.Equal(4, TrainingFolder.Train(_folder.Settings(TrainingFolder.ClassesOfPixels, ("steps", 4))).Step);
        Assert.Equal([1, 2, 3, 4], _folder.Losses("run").Keys);
    }

    private IEnumerable<string?> Checkpoints(string run) => Directory.GetDirectories(_folder.At($"{run}/checkpoints")).Select(Path.GetFileName).Order(StringComparer.Ordinal);

    private void AssertSame(string one, string other)
    {
        foreach (string file in new[] { "model.safetensors", "ema.safetensors", "optimizer.safetensors" })
            Assert.True(
                File.ReadAllBytes(Path.Combine(_folder.Checkpoint(one, 20), file)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(_folder.Checkpoint(other, 20), file))),
                file);
        Assert.Equal(_folder.Losses(one), _folder.Losses(other));
        Assert.Equal(20, _folder.Losses(one).Count);
        Assert.True(_folder.Losses(one).Values.Distinct().Count() > 10);
    }

    private static void ChangeState(string checkpoint, Action<JsonObject> change)
    {
        string path = Path.Combine(checkpoint, "state.json");
        JsonObject state = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(state);
        File.WriteAllText(path, state.ToJsonString());
    }

    private static void Cut(string path)
    {
        using FileStream file = File.OpenWrite(path);
        file.SetLength(file.Length / 2);
    }
}
