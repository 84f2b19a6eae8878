using Mural.Checkpoints;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;
using static Mural.Tests.Pipelines.TinyStableDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>LoRAs that come and go in a loaded pipeline.</summary>
public class StableDiffusionLoraTests
{
    private static readonly StableDiffusionRequest Fox = new() { Prompt = "a photo of a red fox", Seed = 7, Width = 64, Height = 48, Steps = 3 };

    private static readonly StableDiffusionLora Kohya = new(Adapter("kohya-sd15.safetensors"), 0.8), Peft = new(Adapter("peft-sd15.safetensors"), 0.5);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(KernelSet.Mural, Precision.Float32, true)]
    [InlineData(KernelSet.Mural, Precision.Float32, false)]
    [InlineData(KernelSet.Libtorch, Precision.Float32, true)]
    [InlineData(KernelSet.Mural, Precision.BFloat16, false)]
    public async Task PaintsAsIfLoadedWithThemAndAsBeforeWithout(KernelSet kernels, Precision precision, bool keepTextEncoders)
    {
        StableDiffusionOptions options = new() { Runtime = new RuntimeOptions { Kernels = kernels, Precision = precision }, KeepTextEncoders = keepTextEncoders };
        await using StableDiffusionPipeline pipeline = await Load(First, options);
        byte[] before = await Paint(pipeline, Fox);
        var pictures = new HashSet<string> { Convert.ToHexString(before) };
        StableDiffusionLora[][] sets = [[Kohya], [Kohya with { Weight = 0.3 }], [Kohya, Peft], [Kohya with { TextWeight = 0 }], [Peft]];
        foreach (StableDiffusionLora[] set in sets)
        {
            await pipeline.SetLorasAsync(set, Cancellation);
            Assert.Equal(set, pipeline.Loras);
            byte[] painted = await Paint(pipeline, Fox);
            Assert.Equal(painted, await Paint(pipeline, Fox));
            Assert.True(pictures.Add(Convert.ToHexString(painted)));
            await using StableDiffusionPipeline loaded = await Load(First, options with { Loras = set });
            Assert.Equal(await Paint(loaded, Fox), painted);
        }
        await pipeline.SetLorasAsync([], Cancellation);
        Assert.Empty(pipeline.Loras);
        Assert.Equal(before, await Paint(pipeline, Fox));
    }

    [Fact]
    public async Task ThoseOfTheOptionsStayIn()
    {
        await using StableDiffusionPipeline pipeline = await Load(First, new StableDiffusionOptions { Loras = [Peft] });
        byte[] before = await Paint(pipeline, Fox);
        await pipeline.SetLorasAsync([Kohya], Cancellation);
        Assert.NotEqual(before, await Paint(pipeline, Fox));
        await pipeline.SetLorasAsync([], Cancellation);
        Assert.Equal(before, await Paint(pipeline, Fox));
    }

    [Fact]
    public async Task WhatIsNotUsedOfThemIsSaid()
    {
        using var folder = new TemporaryFolder();
        string[] bundles = [folder.At("one.safetensors"), folder.At("two.safetensors")];
        using (Tensor vector = ones(1, 32))
        using (ITensorSource lora = Checkpoint.Open(Kohya.Path))
        {
            Dictionary<string, Tensor> tensors = lora.Tensors.Keys.ToDictionary(name => name, name => lora.Read(name));
            tensors.Add("bundle_emb.fox.string_to_param.*", vector);
            foreach (string bundle in bundles) SafetensorsWriter.Save(bundle, tensors);
            foreach (Tensor tensor in tensors.Values) tensor.Dispose();
        }
        await using StableDiffusionPipeline pipeline = await Load(First, new StableDiffusionOptions { Loras = [new StableDiffusionLora(bundles[0])] });
        string warning = Assert.Single(pipeline.Plan(Fox).Warnings, said => said.Contains("'fox'", StringComparison.Ordinal));
        Assert.Contains(bundles[0], warning, StringComparison.Ordinal);
        await pipeline.SetLorasAsync([new StableDiffusionLora(bundles[1])], Cancellation);
        Assert.Equal(2, pipeline.Plan(Fox).Warnings.Count(said => said.Contains("'fox'", StringComparison.Ordinal)));
        await pipeline.SetLorasAsync([], Cancellation);
        Assert.Equal(warning, Assert.Single(pipeline.Plan(Fox).Warnings, said => said.Contains("'fox'", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task WhatDoesNotFitChangesNothing(bool keepTextEncoders)
    {
        await using StableDiffusionPipeline pipeline = await Load(First, new StableDiffusionOptions { KeepTextEncoders = keepTextEncoders });
        await pipeline.SetLorasAsync([Kohya], Cancellation);
        byte[] painted = await Paint(pipeline, Fox);
        using var folder = new TemporaryFolder();
        // Only a text encoder is of another shape.
        string text = folder.At("text.safetensors");
        using (Tensor down = ones(2, 16), up = ones(32, 2))
        {
            SafetensorsWriter.Save(text, new Dictionary<string, Tensor>
            {
                ["lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight"] = down,
                ["lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight"] = up,
            });
        }
        (StableDiffusionLora Lora, string Reason)[] wrong =
        [
            (new(Adapter("kohya-sdxl-sgm.safetensors")), "made for this family"),
            (new(text), "self_attn_q_proj' changes 32x16 values where the model has 32x32"), (new(folder.At("none.safetensors")), "does not exist"),
            (Kohya with { Weight = double.NaN }, "must be a number"),
        ];
        foreach ((StableDiffusionLora lora, string reason) in wrong)
        {
            string message = (await Assert.ThrowsAsync<MuralException>(() => pipeline.SetLorasAsync([Peft, lora], Cancellation))).Message;
            Assert.Contains(reason, message, StringComparison.Ordinal);
            Assert.Equal([Kohya], pipeline.Loras);
            Assert.Equal(painted, await Paint(pipeline, Fox));
        }
    }

    [Fact]
    public async Task TheSecondTextEncoderGetsItsShare()
    {
        await using StableDiffusionPipeline pipeline = await Load(XL);
        byte[] before = await Paint(pipeline, Fox);
        await pipeline.SetLorasAsync([new(Adapter("kohya-sdxl-sgm.safetensors"), 0, 0.9)], Cancellation);
        Assert.NotEqual(before, await Paint(pipeline, Fox));
        await pipeline.SetLorasAsync([], Cancellation);
        Assert.Equal(before, await Paint(pipeline, Fox));
    }

    [Theory]
    [InlineData(KernelSet.Mural, true)]
    [InlineData(KernelSet.Mural, false)]
    [InlineData(KernelSet.Libtorch, true)]
    public async Task ForecastsCountTheWeightsThatAreKept(KernelSet kernels, bool keepTextEncoders)
    {
        await using StableDiffusionPipeline pipeline = await Load(
            First, new StableDiffusionOptions { Runtime = new RuntimeOptions { Kernels = kernels }, KeepTextEncoders = keepTextEncoders });
        async Task<(double Reading, double Painting)> Told(params StableDiffusionLora[] loras)
        {
            await pipeline.SetLorasAsync(loras, Cancellation);
            IReadOnlyList<MemoryStage> stages = pipeline.Forecast(pipeline.Plan(Fox), MemoryMode.Whole).Stages;
            return (stages.Single(stage => stage.Name == "reading").Bytes, stages.Single(stage => stage.Name == "painting").Bytes);
        }
        (double Reading, double Painting) none = await Told(), network = await Told(Kohya with { TextWeight = 0 }), all = await Told(Kohya);
        double kept = network.Reading - none.Reading, text = all.Reading - network.Reading;
        Assert.True(kept > 0 && text > 0);
        Assert.Equal(kept, network.Painting - none.Painting, 1e-3);
        // Text encoders that are gone by then have taken their copies along.
        Assert.Equal(keepTextEncoders ? text : 0, all.Painting - network.Painting, 1e-3);
        // Only what is changed is kept, and once however many LoRAs change it.
        Assert.Equal(all, await Told(Kohya, Kohya));
        Assert.Equal(none, await Told(Kohya with { Weight = 0 }));
        Assert.Equal(none, await Told());
    }

    [Fact]
    public async Task LiveTensorsStayFlat()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        async Task Run()
        {
            await pipeline.SetLorasAsync([Kohya, Peft], Cancellation);
            await pipeline.SetLorasAsync([Kohya with { Weight = 0.1 }], Cancellation);
            await pipeline.SetLorasAsync([], Cancellation);
        }
        await Run();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        for (int i = 0; i < 3; i++) await Run();
        Assert.Equal(before, Tensor.TotalCount);
    }

    private static string Adapter(string file) => GoldenCase.Adapter(file);
}
