using Mural.Adapters;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;
using Mural.Vision;

namespace Mural.Tests.Adapters;

public class IpAdapterTests
{
    private static RuntimePlan Runtime => RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 });

    [Fact]
    public void AnAdapterOfAnotherFamilyIsRefused()
    {
        using UNet2DConditionModel network = Load("tiny-sdxl");
        string message = Assert.Throws<MuralException>(() => IpAdapter.Load(At("ip-adapter_sd15"), network, Runtime)).Message;
        Assert.Contains("the model's family", message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnotherFileIsRefused()
    {
        using UNet2DConditionModel network = Load("tiny-sd15");
        string file = Path.Combine(GoldenCase.Model("tiny-taesd"), "diffusion_pytorch_model.safetensors");
        Assert.Contains("is no IP-Adapter", Assert.Throws<MuralException>(() => IpAdapter.Load(file, network, Runtime)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheImageEncoderThatFitsIsKnown()
    {
        Assert.True(IpAdapter.Suits(At("ip-adapter_sd15"), GoldenCase.Adapter("image_encoder")));
        Assert.True(IpAdapter.Suits(At("ip-adapter-plus_sd15"), GoldenCase.Adapter("image_encoder")));
        string other = Directory.CreateTempSubdirectory("mural-").FullName;
        try
        {
            string config = File.ReadAllText(Path.Combine(GoldenCase.Adapter("image_encoder"), "config.json"));
            File.WriteAllText(Path.Combine(other, "config.json"), System.Text.RegularExpressions.Regex.Replace(config, "\"projection_dim\": \\d+", "\"projection_dim\": 30"));
            Assert.False(IpAdapter.Suits(At("ip-adapter_sd15"), other));
        }
        finally
        {
            Directory.Delete(other, recursive: true);
        }
    }

    [Theory]
    [InlineData("ip-adapter_sd15", "image_proj.proj.0.weight", new long[] { 1024, 512 })]
    [InlineData("ip-adapter-plus_sd15", "image_proj.proj_in.weight", new long[] { 1280, 512 })]
    public void AnAdapterOfFacesIsRefusedByName(string adapter, string tensor, long[] shape)
    {
        using UNet2DConditionModel network = Load("tiny-sd15");
        using var scope = NewDisposeScope();
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".safetensors");
        try
        {
            using (SafetensorsFile file = SafetensorsFile.Open(At(adapter)))
            {
                var tensors = file.Tensors.Keys.ToDictionary(name => name, name => file.Read(name));
                tensors[tensor] = zeros(shape);
                SafetensorsWriter.Save(path, tensors);
            }
            Assert.Contains("FaceID", Assert.Throws<MuralException>(() => IpAdapter.Load(path, network, Runtime)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void WhatWasReadOfARefusedAdapterIsFreed()
    {
        using UNet2DConditionModel network = Load("tiny-sd15");
        // TorchSharp counts a parameter of a module twice and frees it once, so that what is left is compared with that of a file refused before anything is read.
        long first = LeftBehind(network, ".to_k_ip.weight", first: true), last = LeftBehind(network, ".to_v_ip.weight", first: false);
        Assert.Equal(first, last);
    }

    [Theory]
    [InlineData("ip-adapter_sd15", 4)]
    [InlineData("ip-adapter-plus_sd15", 6)]
    public void APictureBecomesTokensBesideThoseOfNoPicture(string file, int tokens)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        using UNet2DConditionModel network = Load("tiny-sd15");
        using IpAdapter adapter = IpAdapter.Load(At(file), network, Runtime, Encoder());
        Tensor black = adapter.Project(adapter.Look(new Picture(60, 80, 3))), white = adapter.Project(adapter.Look(Picture.Filled(60, 80, Rgb.White)));
        Assert.Equal([2L, tokens, network.Config.CrossAttentionWidth], black.shape);
        Assert.True(black[0].allclose(white[0]), "no picture depends on the picture");
        Assert.False(black[1].allclose(white[1]), "the picture does not count");
        Assert.False(black[1].allclose(black[0]), "a black picture is no picture");
    }

    [Theory]
    [InlineData("ip-adapter_sd15")]
    [InlineData("ip-adapter-plus_sd15")]
    public void SeveralPicturesHaveTheirTokensSideBySide(string file)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        using UNet2DConditionModel network = Load("tiny-sd15");
        using IpAdapter adapter = IpAdapter.Load(At(file), network, Runtime, Encoder());
        Tensor black = adapter.Look(new Picture(60, 80, 3)), white = adapter.Look(Picture.Filled(60, 80, Rgb.White));
        Tensor together = adapter.Project(cat([black.unsqueeze(1), white.unsqueeze(1)], 1)), apart = cat([adapter.Project(black), adapter.Project(white)], 1);
        Assert.Equal(apart.shape, together.shape);
        Assert.True(together.allclose(apart, rtol: 1e-4, atol: 1e-5));
    }

    [Fact]
    public void AnotherImageEncoderIsRefused()
    {
        using UNet2DConditionModel network = Load("tiny-sd15");
        using ClipVisionEncoder own = Encoder();
        ClipVisionConfig config = own.Config with { ProjectionSize = 30 };
        using var encoder = new ClipVisionEncoder(config, new Mural.Layers.LayerFactory(float32, Initialize: true));
        string message = Assert.Throws<MuralException>(() => IpAdapter.Load(At("ip-adapter_sd15"), network, Runtime, encoder)).Message;
        Assert.Contains("24", message, StringComparison.Ordinal);
        Assert.Contains("30", message, StringComparison.Ordinal);
    }

    // Of a file whose first or last tensor of that kind has another shape.
    private static long LeftBehind(UNet2DConditionModel network, string kind, bool first)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".safetensors");
        try
        {
            using (var scope = NewDisposeScope())
            using (SafetensorsFile file = SafetensorsFile.Open(At("ip-adapter_sd15")))
            {
                var tensors = file.Tensors.Keys.ToDictionary(name => name, name => file.Read(name));
                string[] names = [.. tensors.Keys.Where(name => name.EndsWith(kind, StringComparison.Ordinal))
                    .OrderBy(name => int.Parse(name.Split('.')[1], System.Globalization.CultureInfo.InvariantCulture))];
                tensors[first ? names[0] : names[^1]] = zeros(1, 1);
                SafetensorsWriter.Save(path, tensors);
            }
            void Refused() => Assert.Contains("of shape [1, 1]", Assert.Throws<MuralException>(() => IpAdapter.Load(path, network, Runtime)).Message, StringComparison.Ordinal);
            Refused();
            GC.Collect();
            GC.WaitForPendingFinalizers();
            long before = Tensor.TotalCount;
            for (int i = 0; i < 5; i++) Refused();
            return Tensor.TotalCount - before;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string At(string file) => GoldenCase.Adapter(file + ".safetensors");

    private static ClipVisionEncoder Encoder() => ClipVisionEncoder.FromFolder(GoldenCase.Adapter("image_encoder"));

    private static UNet2DConditionModel Load(string model) => UNet2DConditionModel.FromFolder(Path.Combine(GoldenCase.Model(model), "unet"));
}
