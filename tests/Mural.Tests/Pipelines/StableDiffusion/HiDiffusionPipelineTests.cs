using Mural.Adapters;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>HiDiffusion with everything else that a run may have.</summary>
[Trait("Area", "hidiffusion")]
public class HiDiffusionPipelineTests
{
    private static readonly StableDiffusionRequest Request = new() { Prompt = "a fox", Steps = 4, Seed = 7, Width = 152, Height = 136, HiDiffusion = new HiDiffusionOptions() };

    [Theory]
    [InlineData(TinyStableDiffusion.First)]
    [InlineData(TinyStableDiffusion.XL)]
    public async Task APictureIsTheSameAloneAndInABatch(string model)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(model, new StableDiffusionOptions { BatchSize = 2 });
        IReadOnlyList<StableDiffusionPicture> together = await pipeline.GenerateAsync(Request with { Count = 2 }, cancellationToken: TestContext.Current.CancellationToken);
        for (int i = 0; i < 2; i++)
            TinyStableDiffusion.AssertClose(together[i].Picture.Data, await TinyStableDiffusion.Paint(pipeline, Request with { Seed = Request.Seed + i }));
    }

    // Both halves see windows with the same shifts.
    [Fact]
    public async Task GuidanceMayBeBatchedOrNot()
    {
        byte[][] pictures = new byte[2][];
        foreach ((int i, bool batched) in new[] { false, true }.Index())
        {
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { BatchGuidance = batched });
            pictures[i] = await TinyStableDiffusion.Paint(pipeline, Request);
        }
        TinyStableDiffusion.AssertClose(pictures[0], pictures[1]);
    }

    [Theory]
    [InlineData("heun")]
    [InlineData("euler-a")]
    public async Task EverySamplerAndKindOfRunGoesWithIt(string sampler)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        ControlNetModel control = await pipeline.LoadControlNetAsync(TinyStableDiffusion.At("tiny-controlnet-sd15"), TestContext.Current.CancellationToken);
        StableDiffusionRequest request = Request with { Sampler = sampler };
        Picture start = TinyStableDiffusion.Gradient(152, 136);
        StableDiffusionRequest[] requests =
        [
            request,
            request with { HiDiffusion = null },
            request with { InitialPicture = start, Strength = 0.6 },
            request with { InitialPicture = start, Mask = TinyStableDiffusion.HalfMask(152, 136) },
            request with { Controls = [new ControlInput(control, start), new ControlInput(control, TinyStableDiffusion.HalfMask(152, 136)) { Scale = 0.4, GuessMode = true }] },
        ];
        var pictures = new HashSet<string>();
        foreach (StableDiffusionRequest one in requests) Assert.True(pictures.Add(Convert.ToHexString(await TinyStableDiffusion.Paint(pipeline, one))));
        // Nothing of it stays.
        Assert.DoesNotContain(Convert.ToHexString(await TinyStableDiffusion.Paint(pipeline, request with { Seed = 8 })), pictures);
        Assert.Contains(Convert.ToHexString(await TinyStableDiffusion.Paint(pipeline, request with { HiDiffusion = null })), pictures);
    }

    [Fact]
    public async Task SwitchedOffItChangesNothing()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.XL);
        byte[] plain = await TinyStableDiffusion.Paint(pipeline, Request with { HiDiffusion = null });
        Assert.Equal(plain, await TinyStableDiffusion.Paint(pipeline, Request with { HiDiffusion = new HiDiffusionOptions { RauNet = false, WindowAttention = false } }));
    }

    // A LoRA changes weights, an IP-Adapter adds attentions of its own inside windows: each must be felt, with guidance in one batch as in two.
    [Fact]
    public async Task LorasAndPicturePromptsGoWithIt()
    {
        async Task<byte[][]> Paint(bool batched)
        {
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { BatchGuidance = batched });
            byte[] alone = await TinyStableDiffusion.Paint(pipeline, Request);
            IpAdapter adapter = await pipeline.LoadIpAdapterAsync(
                GoldenCase.Adapter("ip-adapter_sd15.safetensors"), GoldenCase.Adapter("image_encoder"), TestContext.Current.CancellationToken);
            StableDiffusionRequest Resembling(double scale) =>
                Request with { PicturePrompts = [new PicturePrompt(adapter, TinyStableDiffusion.Gradient(70, 60)) { Scale = scale }] };
            Assert.Equal(alone, await TinyStableDiffusion.Paint(pipeline, Resembling(0)));
            byte[] resembling = await TinyStableDiffusion.Paint(pipeline, Resembling(0.8));
            await pipeline.SetLorasAsync([new StableDiffusionLora(GoldenCase.Adapter("kohya-sd15.safetensors"), 0.8)], TestContext.Current.CancellationToken);
            byte[] both = await TinyStableDiffusion.Paint(pipeline, Resembling(0.8)), lora = await TinyStableDiffusion.Paint(pipeline, Request);
            await pipeline.SetLorasAsync([], TestContext.Current.CancellationToken);
            Assert.Equal(alone, await TinyStableDiffusion.Paint(pipeline, Request));
            return [alone, resembling, lora, both];
        }
        byte[][] together = await Paint(batched: true), apart = await Paint(batched: false);
        Assert.Equal(together.Length, together.Select(Convert.ToHexString).Distinct().Count());
        foreach ((byte[] one, byte[] other) in together.Zip(apart)) TinyStableDiffusion.AssertClose(one, other);
    }
}
