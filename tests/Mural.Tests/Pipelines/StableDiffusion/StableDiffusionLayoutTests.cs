using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.StableDiffusion;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Text;
using static Mural.Tests.Pipelines.TinyStableDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>The same model in other layouts paints the same.</summary>
public sealed class StableDiffusionLayoutTests : IDisposable
{
    private static readonly StableDiffusionRequest Fox = new() { Prompt = "a red fox", Seed = 7, Width = 64, Height = 64, Steps = 2 };

    private readonly string _folder = Directory.CreateTempSubdirectory("mural-layouts-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(First)]
    [InlineData(Second)]
    [InlineData(XL)]
    public async Task OneFilePaintsWhatItsFolderPaints(string model)
    {
        string file = Path.Combine(_folder, "model.safetensors");
        using (StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(At(model))) StableDiffusionWriter.SaveFile(checkpoint, file);
        CopyTokenizer(model);
        await using StableDiffusionPipeline whole = await Load(model), single = await Load(file);
        Assert.Equal("model", single.Model.Name);
        Assert.Equal(whole.Model with { Name = "" }, single.Model with { Name = "" });
        Assert.Equal(await Paint(whole, Fox), await Paint(single, Fox));
    }

    [Fact]
    public async Task AFolderWithoutItsIndexIsKnownByItsParts()
    {
        string folder = PipelineModel.Copy(At(Second));
        try
        {
            File.Delete(Path.Combine(folder, "model_index.json"));
            await using StableDiffusionPipeline with = await Load(Second), without = await Load(folder);
            Assert.Equal(await Paint(with, Fox), await Paint(without, Fox));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task WhatAModelPredictsCanBeSaid()
    {
        await using StableDiffusionPipeline own = await Load(Second), said = await Load(Second, new StableDiffusionOptions { Prediction = PredictionType.Epsilon });
        Assert.NotEqual(await Paint(own, Fox), await Paint(said, Fox));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AnAutoencoderAloneMayBeAFile(bool original)
    {
        string weights = Path.Combine(At(First), "vae", "diffusion_pytorch_model.safetensors"), file = weights;
        if (original)
        {
            file = Path.Combine(_folder, "vae.safetensors");
            int levels = AutoencoderConfig.Read(Path.Combine(At(First), "vae")).BlockOutChannels.Count;
            using SafetensorsFile source = SafetensorsFile.Open(weights);
            SafetensorsWriter.Save(file, source.Tensors.Keys.ToDictionary(name => "first_stage_model." + AutoencoderKeys.ToOriginal(name, levels), name => source.Read(name)));
        }
        using var scope = NewDisposeScope();
        (AutoencoderKL? full, AutoencoderTiny? tiny) = AutoencoderFile.Open(
            file, Mural.Checkpoints.SingleFile.ModelFamily.StableDiffusion1, RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 }));
        Assert.Null(tiny);
        using AutoencoderKL own = AutoencoderKL.FromFolder(Path.Combine(At(First), "vae")), opened = full!;
        using var generator = new Generator(1);
        Tensor latent = randn([1, 4, 4, 4], generator: generator);
        Assert.True(own.Decode(latent).allclose(opened.Decode(latent)));
        Assert.Equal(0.18215, opened.Config.ScalingFactor);
    }

    [Fact]
    public void ATaesdMayBeTwoFiles()
    {
        using var scope = NewDisposeScope();
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 });
        AutoencoderTiny? Open(string file) => AutoencoderFile.Open(file, Mural.Checkpoints.SingleFile.ModelFamily.StableDiffusion1, runtime).Tiny;
        string encoder = Path.Combine(_folder, "taesd_encoder.safetensors"), decoder = Path.Combine(_folder, "taesd_decoder.safetensors");
        using var autoencoder = new AutoencoderTiny(new AutoencoderTinyConfig(), float32);
        void Save(string file, string half, int first)
        {
            var tensors = new Dictionary<string, Tensor>();
            foreach ((string name, TorchSharp.Modules.Parameter parameter) in autoencoder.named_parameters())
            {
                string[] parts = name.Split('.');
                if (parts[0] == half)
                    tensors.Add(
                        string.Join('.', [(int.Parse(parts[2], System.Globalization.CultureInfo.InvariantCulture) + first)
                            .ToString(System.Globalization.CultureInfo.InvariantCulture), .. parts[3..]]),
                        parameter.detach());
            }
            SafetensorsWriter.Save(file, tensors);
        }
        Save(decoder, "decoder", first: 1);
        Assert.Contains("taesd_encoder", Assert.Throws<MuralException>(() => Open(decoder)).Message, StringComparison.Ordinal);
        Save(encoder, "encoder", first: 0);
        Tensor latent = randn(1, 4, 4, 4);
        foreach (string file in new[] { encoder, decoder })
        {
            using AutoencoderTiny opened = Open(file)!;
            Assert.True(opened.Decode(latent).allclose(autoencoder.Decode(latent)));
        }
        string alone = Path.Combine(_folder, "half.safetensors");
        File.Copy(decoder, alone);
        Assert.Contains("does not say which", Assert.Throws<MuralException>(() => Open(alone)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileWithoutAnAutoencoderIsRefused()
    {
        string file = Path.Combine(At(First), "unet", "diffusion_pytorch_model.safetensors");
        string message = Assert.Throws<MuralException>(() => AutoencoderFile.Open(
            file, Mural.Checkpoints.SingleFile.ModelFamily.StableDiffusion1, RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 }))).Message;
        Assert.Contains("no autoencoder", message, StringComparison.Ordinal);
    }

    // A file brings none; that of the first encoder is enough for all.
    private void CopyTokenizer(string model)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "tokenizer"));
        foreach (string path in Directory.GetFiles(Path.Combine(At(model), "tokenizer"))) File.Copy(path, Path.Combine(_folder, "tokenizer", Path.GetFileName(path)));
        Assert.True(ClipVocabularyFiles.AreIn(Path.Combine(_folder, "tokenizer")));
    }
}
