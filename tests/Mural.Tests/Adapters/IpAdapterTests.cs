using Mural.Adapters;
using Mural.Imaging;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;
using Mural.Vision;

namespace Mural.Tests.Adapters;

public class IpAdapterTests
{
    private static readonly string Files = Path.Combine(GoldenCase.Root, "adapters", "files");

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
        string file = Path.Combine(GoldenCase.Root, "models", "tiny-taesd", "diffusion_pytorch_model.safetensors");
        Assert.Contains("is no IP-Adapter", Assert.Throws<MuralException>(() => IpAdapter.Load(file, network, Runtime)).Message, StringComparison.Ordinal);
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

    private static string At(string file) => Path.Combine(Files, file + ".safetensors");

    private static ClipVisionEncoder Encoder() => ClipVisionEncoder.FromFolder(Path.Combine(Files, "image_encoder"));

    private static UNet2DConditionModel Load(string model) => UNet2DConditionModel.FromFolder(Path.Combine(GoldenCase.Root, "models", model, "unet"));
}
