using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Layers;
using Mural.LinFusion;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.UNet;
using static Mural.Tests.LinFusion.LinFusionGoldens;

namespace Mural.Tests.LinFusion;

public class LinFusionCheckpointTests
{
    private const string Config = "config.json", Weights = "diffusion_pytorch_model.safetensors", Released = "released-layout";

    private static readonly UNetConfig Second = new() { AttentionHeads = [5, 10, 20, 20], CrossAttentionWidth = 1024, UseLinearProjection = true };

    public static TheoryData<string, UNetConfig, int> Releases => new()
    {
        { "LinFusion-1-5", new UNetConfig(), 1 }, { "LinFusion-2-1", Second, 1 }, { "LinFusion-XL", UNetConfig.StableDiffusionXL, 16 },
    };

    public static TheoryData<string> TinyModels => ["tiny-sd15", "tiny-sd21", "tiny-sdxl"];

    [GoldenTheory, MemberData(nameof(Releases)), Trait("Area", Area)]
    public void TheReleasedConfigsAreWrittenAndReadToTheByte(string name, UNetConfig unet, int divisor)
    {
        string text = File.ReadAllText(Beside(Path.Combine(Released, name + ".config.json")));
        JsonNode summary = JsonNode.Parse(File.ReadAllText(Beside(Path.Combine(Released, "summary.json"))))!["models"]![name]!;
        Assert.Equal(summary["config_bytes"]!.GetValue<int>(), text.Length);
        LinFusionConfig config = LinFusionConfig.For(unet, divisor), read = LinFusionConfigJson.Parse(text, name);
        Assert.Equal(text, config.ToJson());
        Assert.Equal(text, read.ToJson());
        Assert.Equal(summary["modules"]!.GetValue<int>(), read.Modules.Count);

        // Shapes alone: no memory is taken.
        var layers = new LayerFactory(float32, Initialize: false, new Device(DeviceType.META));
        using var modules = new LinFusionModules(read.Modules.Select(module => new LinearAttention(module.Width, module.Heads, module.MlpWidth, layers)));
        var parameters = modules.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
        Assert.Equal(summary["tensors"]!.GetValue<int>(), parameters.Count);
        Assert.Equal(summary["parameters"]!.GetValue<long>(), parameters.Values.Sum(parameter => parameter.numel()));
        foreach ((string tensor, JsonNode? shape) in summary["shapes_of_module_0"]!.AsObject())
            Assert.Equal(shape!.AsArray().Select(side => side!.GetValue<long>()), parameters[tensor].shape);
    }

    [GoldenTheory, MemberData(nameof(TinyModels)), Trait("Area", Area)]
    public void CheckpointsAreSavedAsTheyWere(string name)
    {
        using var folder = new TemporaryFolder();
        using UNet2DConditionModel network = Network(name);
        string source = Beside(Path.Combine("weights", name));
        network.LoadLinFusion(source);
        network.SaveLinFusion(folder.Path, float16);
        Assert.Equal(File.ReadAllText(Path.Combine(source, Config)), File.ReadAllText(folder.At(Config)));
        using SafetensorsFile before = SafetensorsFile.Open(Path.Combine(source, Weights)), after = SafetensorsFile.Open(folder.At(Weights));
        Assert.Equal(before.Tensors.Keys.Order(StringComparer.Ordinal), after.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (string tensor in before.Tensors.Keys)
        {
            using var scope = NewDisposeScope();
            Assert.Equal(before.Tensors[tensor].Type, after.Tensors[tensor].Type);
            Assert.True(before.Read(tensor).equal(after.Read(tensor)).all().item<bool>(), tensor);
        }
    }

    [GoldenTheory, MemberData(nameof(TinyModels)), Trait("Area", Area)]
    public void EveryUNetHasTheAttentionsThatItsConfigSays(string name)
    {
        using UNet2DConditionModel network = Network(name);
        LinFusionConfig expected = LinFusionConfig.Read(Beside(Path.Combine("weights", name))), made = LinFusionConfig.For(network.Config);
        Assert.Equal(expected.Modules.Select(module => (module.Name, module.Width, module.Heads)), made.Modules.Select(module => (module.Name, module.Width, module.Heads)));
        Assert.Equal(expected.Modules.Select(module => module.Name), network.TransformerBlocks().Select(entry => LinFusionConfig.NameOf(entry.Name)));
    }

    [Fact]
    public void AMountedNetworkHasTheLinearAttentionsWeightsInsteadOfItsOwn()
    {
        using UNet2DConditionModel network = TinyUNets.Network();
        long before = network.named_parameters().Sum(entry => entry.parameter.numel());
        using var generator = new Generator(3);
        network.StartLinFusion(LinFusionConfig.For(TinyUNets.Plain), generator);
        // Two perceptrons for each attention: 2 (2 d m + 3 m + d) with m = d.
        long added = LinFusionConfig.For(TinyUNets.Plain).Modules.Sum(module => 2L * (2 * module.Width * module.Width + 4 * module.Width));
        Assert.Equal(before + added, network.named_parameters().Sum(entry => entry.parameter.numel()));
        Assert.Equal(network.named_parameters().Count(), network.named_parameters().Select(entry => entry.name).Distinct().Count());
        Assert.Equal(network.LinearAttentions().parameters().Count(), network.named_parameters().Count(entry => entry.name.Contains(".attn1.", StringComparison.Ordinal)));
    }

    // The form of the first releases: [name, width, heads] under another class name.
    [Fact, Trait("Area", Area)]
    public void TheFirstReleasesFormIsReadToo()
    {
        using var folder = new TemporaryFolder();
        string source = Beside(Path.Combine("weights", "tiny-sd15"));
        LinFusionConfig config = LinFusionConfig.Read(source);
        var triples = new JsonArray([.. config.Modules.Select(module => new JsonArray(module.Name, module.Width, module.Heads))]);
        File.WriteAllText(folder.At(Config), new JsonObject { ["_class_name"] = "StableMamba", ["modules_list"] = triples }.ToJsonString());
        File.Copy(Path.Combine(source, Weights), folder.At(Weights));
        Assert.Equal(config.Modules, LinFusionConfig.Read(folder.Path).Modules);
        using UNet2DConditionModel network = Network("tiny-sd15");
        network.LoadLinFusion(folder.Path);
        Assert.Equal(config.Modules.Count, network.LinearAttentions().Attentions.Count);
    }

    [Theory, Trait("Area", Area)]
    [InlineData("15.to_v.weight", null, "1 missing (15.to_v.weight)")]
    [InlineData(null, "16.to_v.weight", "1 unexpected (16.to_v.weight)")]
    [InlineData("0.to_q_.0.weight", "0.to_q_.0.weight", "of another shape")]
    public void WeightsThatDoNotFitAreRefusedAndNothingChanges(string? left, string? added, string expected)
    {
        using var folder = new TemporaryFolder();
        string source = Beside(Path.Combine("weights", "tiny-sd15"));
        File.Copy(Path.Combine(source, Config), folder.At(Config));
        var tensors = new Dictionary<string, Tensor>();
        using (SafetensorsFile file = SafetensorsFile.Open(Path.Combine(source, Weights)))
            foreach (string name in file.Tensors.Keys.Where(name => name != left)) tensors.Add(name, file.Read(name));
        if (added is not null) tensors.Add(added, zeros(3, 3, float16));
        SafetensorsWriter.Save(folder.At(Weights), tensors);
        using UNet2DConditionModel network = Network("tiny-sd15");
        string[] names = [.. network.named_parameters().Select(entry => entry.name)];
        CheckpointMismatchException error = Assert.Throws<CheckpointMismatchException>(() => network.LoadLinFusion(folder.Path));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(names, network.named_parameters().Select(entry => entry.name));
        Assert.Throws<MuralException>(() => network.SaveLinFusion(folder.Path));
    }

    // The same widths, but other heads: weights that would fit and paint nothing.
    [Fact, Trait("Area", Area)]
    public void AnotherFamilysCheckpointIsRefused()
    {
        string forFirst = Beside("weights/tiny-sd15"), forXL = Beside("weights/tiny-sdxl");
        using UNet2DConditionModel first = Network("tiny-sd15"), xl = Network("tiny-sdxl");
        Assert.Contains("use a LinFusion checkpoint of the model's family", Refusal(() => first.LoadLinFusion(forXL)), StringComparison.Ordinal);
        Assert.Contains("use a LinFusion checkpoint of the model's family", Refusal(() => xl.LoadLinFusion(forFirst)), StringComparison.Ordinal);
        using var folder = new TemporaryFolder();
        LinFusionConfig config = LinFusionConfig.Read(forFirst);
        File.WriteAllText(folder.At(Config), (config with { Modules = [.. config.Modules.Select(module => module with { Heads = 2 * module.Heads })] }).ToJson());
        Assert.Contains("but the UNet has", Refusal(() => first.LoadLinFusion(folder.Path)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[]", "holds no JSON object")]
    [InlineData("{", "holds no JSON object")]
    [InlineData("{\"_class_name\": \"UNet2DConditionModel\"}", "describes UNet2DConditionModel")]
    [InlineData("{\"_class_name\": \"LinFusion\"}", "has no modules_list")]
    [InlineData("{\"_class_name\": \"LinFusion\", \"modules_list\": []}", "has no modules_list")]
    [InlineData("{\"_class_name\": \"LinFusion\", \"modules_list\": [{\"dim_n\": 7, \"heads\": 2, \"module_name\": \"a\"}]}", "heads that divide it")]
    [InlineData("{\"_class_name\": \"LinFusion\", \"modules_list\": [{\"dim_n\": 8, \"heads\": 2, \"module_name\": \"a\", \"projection_mid_dim\": -2}]}", "heads that divide it")]
    [InlineData(
        "{\"_class_name\": \"LinFusion\", \"modules_list\": [{\"dim_n\": 8, \"heads\": 2, \"module_name\": \"a\", \"projection_mid_dim\": \"4\"}]}", "heads that divide it")]
    [InlineData("{\"_class_name\": \"LinFusion\", \"modules_list\": [[\"a\", 8]]}", "heads that divide it")]
    [InlineData("{\"_class_name\": \"LinFusion\", \"modules_list\": [[\"a\", 8, 2], [\"a\", 8, 2]]}", "twice")]
    public void ConfigsThatCannotBeAreRefused(string json, string expected) =>
        Assert.Contains(expected, Refusal(() => LinFusionConfigJson.Parse(json, "config.json")), StringComparison.Ordinal);

    [Fact]
    public void AFolderWithoutAConfigIsRefused()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("give the folder of a LinFusion checkpoint", Refusal(() => LinFusionConfig.Read(folder.Path)), StringComparison.Ordinal);
    }

    private static string Refusal(Action action) => Assert.Throws<MuralException>(action).Message;

    private static UNet2DConditionModel Network(string name) => UNet2DConditionModel.FromFolder(Path.Combine(GoldenCase.Model(name), "unet"));
}
