using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>Whatever decides about a large picture makes it another job.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public sealed class LargePictureJobTests : IDisposable
{
    private static readonly StableDiffusionOptions Plain = new() { Runtime = new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 } };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"seed":7}""", 7L)]
    [InlineData("""{"seed":1.5}""", null)]
    [InlineData("""{"seed":1e99}""", null)]
    [InlineData("""{"seed":99999999999999999999}""", null)]
    [InlineData("""{"seed":"7"}""", null)]
    [InlineData("""{"seed":1,"seed":2}""", null)]
    [InlineData("[7]", null)]
    [InlineData("{", null)]
    public void ADamagedJobHasNoSeed(string job, long? seed)
    {
        File.WriteAllText(_folder.At("job.json"), job);
        Assert.Equal(seed, StageFolder.SeedOf(_folder.Path));
    }

    [Fact]
    public void RequestsAreToldApart()
    {
        using StableDiffusionParts parts = Load(TinyStableDiffusion.At(TinyStableDiffusion.First), Plain);
        var request = new StableDiffusionRequest { Prompt = "fox", Steps = 4, Width = 32, Height = 32, InitialPicture = TinyStableDiffusion.Gradient(40, 24) };
        using ControlNetModel control = Control(), same = Control(), other = new(control.Config);
        StableDiffusionRequest Controlled(ControlNetModel network) => request with { Controls = [new ControlInput(network, TinyStableDiffusion.Gradient(32, 32))] };
        AssertAllDiffer(
            Job(parts, request),
            Job(parts, request with { NegativePrompt = "" }),
            Job(parts, request with { NegativeClipSkip = 1 }),
            Job(parts, request with { Fit = PictureFit.Crop }),
            Job(parts, request with { Sampling = parts.Sampling with { Sampler = SamplerKind.Euler } }),
            Job(parts, request with { Sampling = parts.Sampling with { Sampler = SamplerKind.Euler, BetaEnd = 0.013 } }),
            Job(parts, Controlled(control)),
            Job(parts, Controlled(other)));
        Assert.Equal(Job(parts, request), Job(parts, request with { }));
        Assert.Equal(Job(parts, Controlled(control)), Job(parts, Controlled(same)));
    }

    [Fact]
    public void ModelsAreToldApart()
    {
        string model = TinyStableDiffusion.At(TinyStableDiffusion.First), copy = PipelineModel.Copy(model);
        try
        {
            string Of(string path, StableDiffusionOptions options)
            {
                using StableDiffusionParts parts = Load(path, options);
                return Job(parts, new StableDiffusionRequest { Prompt = "fox", Steps = 4, Width = 32, Height = 32 }, options);
            }
            string usual = Of(model, Plain), copied = Of(copy, Plain);
            Assert.Equal(usual, Of(model, Plain));
            // A picture beside the model is none of its files.
            File.WriteAllText(Path.Combine(copy, "fox.png"), "");
            Assert.Equal(copied, Of(copy, Plain));
            string weights = Path.Combine(copy, "unet", "diffusion_pytorch_model.safetensors");
            File.SetLastWriteTimeUtc(weights, File.GetLastWriteTimeUtc(weights).AddSeconds(1));
            AssertAllDiffer(
                usual,
                copied,
                Of(copy, Plain),
                Of(model, Plain with { Autoencoder = Path.Combine(copy, "vae") }),
                Of(model, Plain with { Prediction = PredictionType.VPrediction }),
                Of(model, Plain with { Prompts = PromptSyntax.Plain }),
                Of(model, Plain with { Variant = "fp16" }),
                Of(model, Plain with { Runtime = Plain.Runtime with { Kernels = KernelSet.Libtorch } }),
                Of(model, Plain with { LinFusion = LinFusionGoldens.Beside("weights/tiny-sd15") }));
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    [Fact]
    public void MarksFollowFilesAndLinks()
    {
        string file = _folder.At("a.safetensors"), link = _folder.At("link.safetensors");
        File.WriteAllText(file, "1");
        string before = FileMark.Of(file);
        Assert.Equal(before, FileMark.Of(file));
        if (!OperatingSystem.IsWindows())
        {
            File.CreateSymbolicLink(link, file);
            Assert.Equal(before, FileMark.Of(link));
        }
        File.WriteAllText(file, "12");
        Assert.NotEqual(before, FileMark.Of(file));
        Assert.Contains("missing", FileMark.Of(_folder.At("missing")), StringComparison.Ordinal);
    }

    private static StableDiffusionParts Load(string path, StableDiffusionOptions options) => StableDiffusionParts.Load(path, options, RuntimePlan.Choose(options.Runtime));

    private static ControlNetModel Control() => ControlNetModel.FromFolder(GoldenCase.Model("tiny-controlnet-sd15"));

    private static string Job(StableDiffusionParts parts, StableDiffusionRequest picture, StableDiffusionOptions? options = null)
    {
        LargePicturePlan plan = new LargePicturePlanner(new StableDiffusionPlanner(parts), parts.Info).Plan(new LargePictureRequest { Picture = picture, Width = 64, Height = 64 });
        return LargePictureJob.Of(plan, parts, null, options ?? Plain);
    }

    private static void AssertAllDiffer(params string[] jobs) => Assert.Equal(jobs.Length, jobs.Distinct().Count());
}
