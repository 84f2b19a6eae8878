using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Checkpoints.StableDiffusion;

[Trait("Area", "single-file")]
public sealed class StableDiffusionCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Tiny => TinyModels.Names;

    public void Dispose() => _folder.Dispose();

    [GoldenTheory, MemberData(nameof(Tiny))]
    public void NetworksAreTheSameFromAFolderAndFromAFile(string name)
    {
        using var scope = NewDisposeScope();
        string folder = TinyModels.Folder(name);
        using StableDiffusionCheckpoint original = StableDiffusionCheckpoint.Open(folder);
        StableDiffusionWriter.SaveFile(original, _folder.At("model.safetensors"));
        using StableDiffusionCheckpoint file = StableDiffusionCheckpoint.Open(_folder.At("model.safetensors"));
        Assert.Equal(original.Family, file.Family);
        Assert.Equal(original.Components.Keys.Order(), file.Components.Keys.Order());
        Assert.Equal(original.UNetConfig.ToJson(), file.UNetConfig.ToJson());
        Assert.Equal(original.AutoencoderConfig.ToJson(), file.AutoencoderConfig.ToJson());
        Assert.Equal(
            SamplerOptions.Load(Path.Combine(folder, "scheduler")) with { TrainedBetas = null, DisableCorrector = [] },
            file.Sampling with { TrainedBetas = null, DisableCorrector = [] });
        Assert.False(file.PredictionIsGuessed);
        Assert.Equal(original.ZerosForNoNegative, file.ZerosForNoNegative);

        using UNet2DConditionModel unet = UNet2DConditionModel.FromFolder(Path.Combine(folder, "unet"));
        using AutoencoderKL autoencoder = AutoencoderKL.FromFolder(Path.Combine(folder, "vae"));
        Directory.CreateDirectory(_folder.At("tokenizer"));
        foreach (string vocabulary in (string[])["vocab.json", "merges.txt"])
            File.Copy(Path.Combine(folder, "tokenizer", vocabulary), Path.Combine(_folder.Path, "tokenizer", vocabulary));
        foreach (StableDiffusionCheckpoint model in (StableDiffusionCheckpoint[])[original, file])
        {
            using UNet2DConditionModel loadedUNet = model.LoadUNet();
            TinyModels.AssertSame(unet, loadedUNet);
            using AutoencoderKL loadedAutoencoder = model.LoadAutoencoder();
            TinyModels.AssertSame(autoencoder, loadedAutoencoder);
            foreach (string encoder in model.Components.Keys.Where(component => component.StartsWith("text", StringComparison.Ordinal)))
            {
                using ClipTextEncoder text = ClipTextEncoder.FromFolder(Path.Combine(folder, encoder)), loadedText = model.LoadTextEncoder(encoder);
                TinyModels.AssertSame(text, loadedText);
                ClipTokenizer expected = ClipTokenizerFolder.Read(Path.Combine(folder, encoder.Replace("text_encoder", "tokenizer", StringComparison.Ordinal)));
                Assert.Equal(expected.EncodeWindow("a photo of a cat!"), model.LoadTokenizer(encoder).EncodeWindow("a photo of a cat!"));
            }
        }
    }

    [GoldenTheory, MemberData(nameof(Tiny))]
    public void WhatIsMissingIsNamed(string name)
    {
        using StableDiffusionCheckpoint model = StableDiffusionCheckpoint.Open(TinyModels.Folder(name));
        string path = _folder.At("unet.safetensors");
        using (var unet = new OriginalSource("unet", model.Family, new Dictionary<string, ITensorSource> { ["unet"] = model.Require("unet").Weights }))
            SafetensorsWriter.Save(path, unet);
        // Text features of 32 channels are no published model's.
        if (model.Family < ModelFamily.StableDiffusionXL)
        {
            Assert.Contains("32 channels", Assert.Throws<MuralException>(() => StableDiffusionCheckpoint.Open(path)).Message, StringComparison.Ordinal);
            return;
        }
        using StableDiffusionCheckpoint alone = StableDiffusionCheckpoint.Open(path);
        Assert.Contains("no vae; it holds unet", Assert.Throws<MuralException>(() => alone.LoadAutoencoder()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFolderWithoutANamedPartIsRefused()
    {
        CopyFolder(TinyModels.Folder("tiny-sd15"), _folder.Path);
        StableDiffusionCheckpoint.Open(_folder.Path).Dispose();
        foreach ((string file, string expected) in new[]
        {
            ("vae/config.json", "lacks vae"), ("scheduler/scheduler_config.json", "lacks scheduler"), ("unet/config.json", "lacks unet")
        })
        {
            string path = Path.Combine(_folder.Path, file), aside = _folder.At("aside");
            File.Move(path, aside);
            string message = Assert.Throws<MuralException>(() => StableDiffusionCheckpoint.Open(_folder.Path)).Message;
            Assert.Contains(expected, message.Replace('\\', '/'), StringComparison.Ordinal);
            File.Move(aside, path);
        }
    }

    [Fact]
    public void TheStepThatTrainingEndedAtTellsNoiseFromVelocity()
    {
        using StableDiffusionCheckpoint model = StableDiffusionCheckpoint.Open(TinyModels.Folder("tiny-sd21"));
        string path = _folder.At("model.ckpt");
        StableDiffusionWriter.SaveFile(model, path);
        using (StableDiffusionCheckpoint silent = StableDiffusionCheckpoint.Open(path))
        {
            Assert.True(silent.PredictionIsGuessed);
            Assert.Equal(PredictionType.VPrediction, silent.Sampling.PredictionType);
            Assert.Equal(96, silent.UNetConfig.SampleSize);
            Assert.Equal(SamplerKind.Ddim, silent.Sampling.Sampler);
        }
        using (StableDiffusionCheckpoint told = StableDiffusionCheckpoint.Open(path, prediction: PredictionType.Epsilon))
        {
            Assert.False(told.PredictionIsGuessed);
            Assert.Equal((PredictionType.Epsilon, SamplerKind.Pndm), (told.Sampling.PredictionType, told.Sampling.Sampler));
            Assert.Equal((64, 512), (told.UNetConfig.SampleSize, told.AutoencoderConfig.SampleSize));
        }
        // global_step: 875000 before the end of the dictionary.
        byte[] step = [(byte)'X', 11, 0, 0, 0, .. "global_step"u8, (byte)'J', 0xF8, 0x59, 0x0D, 0x00];
        File.WriteAllBytes(path, TorchPickles.Damage(File.ReadAllBytes(path), pickle => [.. pickle[..^2], .. step, .. pickle[^2..]])!);
        using StableDiffusionCheckpoint telling = StableDiffusionCheckpoint.Open(path);
        Assert.False(telling.PredictionIsGuessed);
        Assert.Equal(PredictionType.Epsilon, telling.Sampling.PredictionType);
        Assert.Equal(64, telling.UNetConfig.SampleSize);
    }

    [Theory]
    [InlineData(0.05f, false)]
    [InlineData(0.15f, true)]
    public void TheSpreadOfAUNetsNumbersSuggestsNoiseOrVelocity(float spread, bool velocity)
    {
        using var scope = NewDisposeScope();
        string path = _folder.At("unet.safetensors");
        // Half of the numbers above, half below.
        SafetensorsWriter.Save(
            path, new Dictionary<string, Tensor> { ["up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias"] = cat([full(160, spread), full(160, -spread)]) });
        using SafetensorsFile unet = SafetensorsFile.Open(path);
        Assert.Equal(velocity, SingleFileModel.LooksLikeVelocity(unet));
    }

    [Theory]
    [InlineData("tiny-sd15", "target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    parameterization: \"v\"\n", PredictionType.VPrediction)]
    [InlineData("tiny-sd21", "target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params:\n    linear_start: 0.00085\n", PredictionType.Epsilon)]
    [InlineData("tiny-sd15", "parameterization: v\n", PredictionType.Epsilon)]
    public void SettingsBesideAFileTellWhatItPredicts(string name, string settings, PredictionType prediction)
    {
        string path = _folder.At("model.ckpt");
        using (StableDiffusionCheckpoint model = StableDiffusionCheckpoint.Open(TinyModels.Folder(name))) StableDiffusionWriter.SaveFile(model, path);
        File.WriteAllText(_folder.At("model.yaml"), settings);
        using StableDiffusionCheckpoint told = StableDiffusionCheckpoint.Open(path);
        Assert.Equal((prediction, false), (told.Sampling.PredictionType, told.PredictionIsGuessed));
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            string place = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.Copy(file, place);
        }
    }
}
