using System.Text.Json.Nodes;
using Mural.Training;
using Mural.Training.Data;

namespace Mural.Tests.Training;

/// <summary>What a run is known by, where the shapes of its weights do not tell it.</summary>
public sealed class IdentityTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(TrainingFolder.ClassesOfPixels, "data.flip", "false")]
    [InlineData(TrainingFolder.Autoencoder, "data.flip", "false")]
    [InlineData(TrainingFolder.Autoencoder, "model.norm_num_groups", "2")]
    [InlineData(TrainingFolder.Autoencoder, "model.latent_channels", "3")]
    [InlineData(TrainingFolder.Autoencoder, "model.mid_block_add_attention", "false")]
    [InlineData(TrainingFolder.Judge, "data.flip", "false")]
    [InlineData(TrainingFolder.Judge, "model.norm_num_groups", "8")]
    public void ItTellsOtherSettings(string settings, string key, string value) => Assert.NotEqual(Identity(settings), Identity(settings, (key, JsonNode.Parse(value))));

    [Fact]
    public void ItDoesNotTellUsualOnes()
    {
        string autoencoder = Identity(TrainingFolder.Autoencoder, ("data.flip", false));
        Assert.StartsWith("vae 8-8 x1, seed 1234, batch 4, pictures ", autoencoder, StringComparison.Ordinal);
        Assert.DoesNotContain("mirrored", autoencoder, StringComparison.Ordinal);
        Assert.StartsWith("judge 8-16 x1, words 4-", Identity(TrainingFolder.Judge, ("model.norm_num_groups", 8)), StringComparison.Ordinal);
    }

    private string Identity(string settings, params (string Key, JsonNode? Value)[] changes)
    {
        TrainingConfig config = _folder.Settings(settings, changes);
        PictureSet pictures = PictureSet.Open(config.Data, config.SettingsPath, _ => { }, CancellationToken.None);
        using ITrainingTask task = config switch
        {
            VaeTrainingConfig vae => new VaeTask(vae, pictures, CPU),
            JudgeTrainingConfig judge => new JudgeTask(judge, pictures, CPU),
            _ => new DiMTask((DiMTrainingConfig)config, pictures, CPU, _ => { }, CancellationToken.None),
        };
        return task.Identity;
    }
}
