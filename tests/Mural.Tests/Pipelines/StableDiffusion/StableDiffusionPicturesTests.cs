using Mural.Adapters;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Tests.Goldens;
using Mural.UNet;
using static Mural.Tests.Pipelines.TinyStableDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>Pictures that are changed, repainted, followed or resembled.</summary>
public class StableDiffusionPicturesTests
{
    private static readonly StableDiffusionRequest Fox = new() { Prompt = "a photo of a red fox", Seed = 7, Steps = 4, Sampler = "ddim", Guidance = 2 };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task TheLessStrengthTheMoreIsLeft()
    {
        Picture picture = Gradient(67, 50);
        await using StableDiffusionPipeline pipeline = await Load(First);
        StableDiffusionRequest change = Fox with { InitialPicture = picture };
        StableDiffusionPicture little = (await pipeline.GenerateAsync(change with { Strength = 0.25 }, cancellationToken: Cancellation))[0];
        Assert.Equal((64, 48, 1), (little.Picture.Width, little.Picture.Height, little.Plan.Calls));
        byte[] much = await Paint(pipeline, change with { Strength = 1 }), usual = await Paint(pipeline, change);
        Assert.Equal(0.8, pipeline.Plan(change).Strength);
        Assert.NotEqual(much, usual);
        Assert.NotEqual(much, await Paint(pipeline, Fox with { Width = 64, Height = 48 }));
        byte[] filled = await Paint(pipeline, change with { Width = 96, Fit = PictureFit.Fill }),
            cropped = await Paint(pipeline, change with { Width = 96, Fit = PictureFit.Crop });
        Assert.NotEqual(filled, cropped);
    }

    [Fact]
    public async Task WhatTheMaskKeepsIsKept()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        StableDiffusionRequest repaint = Fox with { InitialPicture = Gradient(64, 64), Mask = new Picture(64, 64, 1) };
        byte[] nothing = await Paint(pipeline, repaint), half = await Paint(pipeline, repaint with { Mask = HalfMask(64, 64) });
        Assert.Equal(nothing, await Paint(pipeline, repaint with { Prompt = "something else" }));
        Assert.NotEqual(nothing, half);
        Assert.NotEqual(half, await Paint(pipeline, repaint with { Mask = HalfMask(64, 64), Prompt = "something else" }));
    }

    [Fact]
    public async Task OnlyThePartAroundTheMaskIsPaintedWhereAPaddingIsGiven()
    {
        Picture picture = Gradient(120, 80);
        var mask = new Picture(120, 80, 1);
        for (int row = 20; row < 40; row++) mask.Row(row)[30..60].Fill(255);
        await using StableDiffusionPipeline pipeline = await Load(First);
        Picture painted = (await pipeline.GenerateAsync(
            Fox with { InitialPicture = picture, Mask = mask, MaskPadding = 4, Width = 64, Height = 64 }, cancellationToken: Cancellation))[0].Picture;
        Assert.Equal((120, 80), (painted.Width, painted.Height));
        for (int i = 0; i < mask.Data.Length; i++)
            if (mask.Data[i] == 0) Assert.Equal(picture.Data.AsSpan(3 * i, 3), painted.Data.AsSpan(3 * i, 3));
        Assert.NotEqual(picture.Data, painted.Data);
    }

    [Fact]
    public async Task ControlNetsAddUp()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        ControlNetModel network = await pipeline.LoadControlNetAsync(At("tiny-controlnet-sd15"), Cancellation);
        StableDiffusionRequest fox = Fox with { Width = 64, Height = 64 };
        var control = new ControlInput(network, Gradient(80, 80));
        byte[] without = await Paint(pipeline, fox), with = await Paint(pipeline, fox with { Controls = [control] });
        Assert.NotEqual(without, with);
        AssertClose(without, await Paint(pipeline, fox with { Controls = [control with { Scale = 0 }] }));
        AssertClose(with, await Paint(pipeline, fox with { Controls = [control with { Scale = 0.25 }, control with { Scale = 0.75 }] }));
        byte[] early = await Paint(pipeline, fox with { Controls = [control with { End = 0.5 }] }),
            late = await Paint(pipeline, fox with { Controls = [control with { Start = 0.5 }] });
        byte[] guessed = await Paint(pipeline, fox with { Controls = [control with { GuessMode = true }] });
        Assert.Equal(5, new[] { without, with, early, late, guessed }.Select(Convert.ToHexString).Distinct().Count());
    }

    // As diffusers does it: they say what the whole is like, not where something is.
    [Fact]
    public async Task ControlNetsThatSeeTheWholePictureControlThePromptOnly()
    {
        string folder = PipelineModel.Copy(At("tiny-controlnet-sd15")), config = Path.Combine(folder, "config.json");
        try
        {
            File.WriteAllText(config, File.ReadAllText(config).Replace("\"global_pool_conditions\": false", "\"global_pool_conditions\": true", StringComparison.Ordinal));
            await using StableDiffusionPipeline pipeline = await Load(First);
            var control = new ControlInput(await pipeline.LoadControlNetAsync(folder, Cancellation), Gradient(80, 80));
            Assert.True(control.Network.Config.GlobalPooling);
            StableDiffusionRequest fox = Fox with { Width = 64, Height = 64 };
            byte[] without = await Paint(pipeline, fox), with = await Paint(pipeline, fox with { Controls = [control] });
            Assert.NotEqual(without, with);
            Assert.Equal(with, await Paint(pipeline, fox with { Controls = [control with { GuessMode = true }] }));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task ARunThatCannotBeginLeavesNothingBehind()
    {
        await using StableDiffusionPipeline pipeline = await Load(First);
        ControlNetModel network = await pipeline.LoadControlNetAsync(At("tiny-controlnet-sd15"), Cancellation);
        IpAdapter adapter = await pipeline.LoadIpAdapterAsync(GoldenCase.Adapter("ip-adapter_sd15.safetensors"), GoldenCase.Adapter("image_encoder"), Cancellation);
        using Tensor strange = zeros(2, 3);
        StableDiffusionRequest request = Fox with
        {
            Width = 64,
            Height = 64,
            Controls = [new ControlInput(network, Gradient(64, 64))],
            PicturePrompts = [new PicturePrompt(adapter, Gradient(64, 64)) { Features = strange }],
        };
        LiveTensors.AssertFlat(() => Assert.ThrowsAny<Exception>(() => pipeline.GenerateAsync(request, cancellationToken: Cancellation).GetAwaiter().GetResult()));
    }

    [Theory]
    [InlineData("ip-adapter_sd15")]
    [InlineData("ip-adapter-plus_sd15")]
    public async Task APictureCanBeResembled(string file)
    {
        await using StableDiffusionPipeline pipeline = await Load(First), apart = await Load(First, new StableDiffusionOptions { BatchGuidance = false });
        StableDiffusionRequest fox = Fox with { Width = 64, Height = 64 };
        async Task<byte[]> Resembling(StableDiffusionPipeline painter, double scale)
        {
            IpAdapter adapter = await painter.LoadIpAdapterAsync(GoldenCase.Adapter(file + ".safetensors"), GoldenCase.Adapter("image_encoder"), Cancellation);
            return await Paint(painter, fox with { PicturePrompts = [new PicturePrompt(adapter, Gradient(70, 60)) { Scale = scale }] });
        }
        byte[] without = await Paint(pipeline, fox), with = await Resembling(pipeline, 0.8);
        Assert.Equal(without, await Resembling(pipeline, 0));
        Assert.NotEqual(without, with);
        AssertClose(with, await Resembling(apart, 0.8));
    }
}
