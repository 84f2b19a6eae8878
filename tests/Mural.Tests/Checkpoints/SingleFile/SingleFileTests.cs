using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Tests.Checkpoints.StableDiffusion;
using Mural.Tests.Goldens;

namespace Mural.Tests.Checkpoints.SingleFile;

[Trait("Area", "single-file")]
public sealed class SingleFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mural-").FullName;

    /// <summary>Tables of published architectures, which have shapes.</summary>
    public static TheoryData<string> Published => SingleFileTable.Names(table => table.Shapes is not null);

    /// <summary>Tables of tiny checkpoints, whose folders are there.</summary>
    public static TheoryData<string> Tiny => SingleFileTable.Names(table => table.Shapes is null);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [GoldenTheory, MemberData(nameof(Published))]
    public void EveryTensorOfAPublishedFileFindsItsPlace(string name)
    {
        SingleFileTable table = SingleFileTable.Open(name);
        using var file = SingleFileCheckpoint.Of(new ShapeSource(
        [
            .. table.Stored.Select(pair => (pair.Key, pair.Value.Shape!)),
            .. table.Unused.Select(pair => (pair.Key, pair.Value)), ("betas", [1000]), ("model_ema.decay", [])
        ]));
        Assert.Equal(table.Shapes!.Keys.Order(), file.Components.Keys.Order());
        foreach ((string component, Dictionary<string, long[]> tensors) in table.Shapes)
        {
            ComponentSource source = file.Components[component];
            Assert.Equal(tensors.Keys.Order(), source.Tensors.Keys.Order());
            Assert.All(tensors, tensor => Assert.Equal(tensor.Value, source.Tensors[tensor.Key].Shape));
        }
        Assert.Equal([.. table.Unused.Keys.Append("betas").Append("model_ema.decay").Order()], file.Unused.Order());
        AssertPlaces(table, file.Family, new SingleFileLayout(new ShapeSource(table.Stored.Select(pair => (pair.Key, pair.Value.Shape!))), file.Family));
    }

    [GoldenTheory, MemberData(nameof(Published))]
    public void APublishedFoldersTensorsFindTheirOriginalNames(string name)
    {
        SingleFileTable table = SingleFileTable.Open(name);
        ModelFamily family = ModelFamilies.Detect(new ShapeSource(table.Stored.Select(pair => (pair.Key, pair.Value.Shape!))));
        var components = table.Shapes!.ToDictionary(pair => pair.Key, pair => (ITensorSource)new ShapeSource(pair.Value.Select(tensor => (tensor.Key, tensor.Value))));
        using var original = new OriginalSource("folder", family, components);
        Assert.Equal(table.Stored.Keys.Order(), original.Tensors.Keys.Order());
        Assert.All(table.Stored, stored => Assert.Equal(stored.Value.Shape, original.Tensors[stored.Key].Shape));
    }

    [GoldenTheory, MemberData(nameof(Tiny))]
    public void ATinyCheckpointGoesToASingleFileAndBack(string name)
    {
        using var scope = NewDisposeScope();
        SingleFileTable table = SingleFileTable.Open(name);
        using StableDiffusionCheckpoint folder = StableDiffusionCheckpoint.Open(table.ModelFolder);
        string path = Path.Combine(_folder, "model.safetensors");
        using (var original = new OriginalSource(table.ModelFolder, folder.Family, folder.Components.ToDictionary(pair => pair.Key, pair => pair.Value.Weights)))
        {
            Assert.Equal(table.Stored.Keys.Order(), original.Tensors.Keys.Order());
            SafetensorsWriter.Save(path, original);
        }
        using SingleFileCheckpoint file = SingleFileCheckpoint.Open(path);
        Assert.Equal(folder.Family, file.Family);
        Assert.Equal(folder.Components["unet"].Weights.Tensors["conv_in.weight"].Shape[1], file.InputChannels);
        Assert.Empty(file.Unused);
        foreach (StableDiffusionComponent component in folder.Components.Values)
        {
            ComponentSource source = file.Components[component.Name];
            TinyModels.AssertSame(component.Weights, source);
            foreach (TensorEntry entry in component.Weights.Tensors.Values)
            {
                Tensor expected = component.Weights.Read(entry.Name), copied = empty_like(expected);
                source.CopyInto(entry.Name, copied);
                Assert.True(expected.equal(copied).all().item<bool>(), entry.Name);
            }
        }
        foreach ((string stored, (ComponentTensor[] to, _)) in table.Stored)
            Assert.Equal(to.Select(part => part with { Name = Whole(part) }), new SingleFileLayout(file.Source, file.Family).Of(file.Source.Tensors[stored]));
    }

    [Theory]
    [InlineData("model.diffusion_model.joint_blocks.0.weight", "Stable Diffusion 3")]
    [InlineData("double_blocks.0.weight", "Flux")]
    [InlineData("edm_mean", "Playground")]
    [InlineData("lora_unet_down_blocks_0.lora_down.weight", "LoRA")]
    [InlineData("control_model.input_hint_block.0.weight", "ControlNet")]
    [InlineData("model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.weight", "Stable Video Diffusion")]
    [InlineData("noise_augmentor.data_mean", "unCLIP")]
    [InlineData("model.diffusion_model.scaled_fp8", "quantised")]
    [InlineData("model.diffusion_model.middle_block.1.proj_in.weight.absmax", "quantised")]
    [InlineData("down_blocks.0.resnets.0.conv1.weight", "a UNet alone under diffusers' names")]
    [InlineData("first_stage_model.decoder.conv_in.weight", "an autoencoder alone")]
    [InlineData("nnet.weight", "no Stable Diffusion")]
    public void AnotherModelIsNamed(string tensor, string expected)
    {
        var error = Assert.Throws<MuralException>(() => SingleFileCheckpoint.Of(new ShapeSource([(tensor, [1, 1])])));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", 768, "StableDiffusion1")]
    [InlineData("input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", 1024, "StableDiffusion2")]
    [InlineData("label_emb.0.0.weight", 2816, "StableDiffusionXL")]
    [InlineData("label_emb.0.0.weight", 2560, "StableDiffusionXLRefiner")]
    public void AUNetAloneIsKnownByItsShapes(string tensor, long channels, string expected)
    {
        foreach (string prefix in (string[])["model.diffusion_model.", "diffusion_model.", ""])
        {
            using var file = SingleFileCheckpoint.Of(new ShapeSource([(prefix + tensor, [320, channels]), (prefix + "input_blocks.0.0.weight", [320, 9, 3, 3])]));
            Assert.Equal(expected, file.Family.ToString());
            Assert.Equal(9, file.InputChannels);
        }
    }

    [Theory]
    [InlineData("cond_stage_model.transformer.text_model.final_layer_norm.weight", 1024, "StableDiffusion2")]
    [InlineData("cond_stage_model.transformer.text_model.final_layer_norm.weight", 768, "StableDiffusion1")]
    [InlineData("cond_stage_model.transformer.text_model.final_layer_norm.weight", 32, "StableDiffusion1")]
    [InlineData("cond_stage_model.model.ln_final.weight", 1024, "StableDiffusion2")]
    [InlineData("cond_stage_model.model.ln_final.weight", 32, "StableDiffusion2")]
    [InlineData("conditioner.embedders.0.model.ln_final.weight", 1024, "StableDiffusion2")]
    [InlineData("conditioner.embedders.0.transformer.text_model.final_layer_norm.weight", 768, "StableDiffusion1")]
    public void TheUNetTellsWhatTheTextEncodersNamesDoNot(string encoder, long features, string expected)
    {
        const string UNet = "model.diffusion_model.";
        using var file = SingleFileCheckpoint.Of(new ShapeSource(
            [(encoder, [features]), (UNet + "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight", [320, features]), (UNet + "input_blocks.0.0.weight", [320, 4, 3, 3])]));
        Assert.Equal(expected, file.Family.ToString());
        Assert.Contains("text_encoder", file.Components.Keys);
    }

    [Fact]
    public void OfAWholeClipTheTextEncoderIsTaken()
    {
        using var file = SingleFileCheckpoint.Of(new ShapeSource(
        [
            ("cond_stage_model.transformer.text_model.final_layer_norm.weight", [768]), ("cond_stage_model.transformer.vision_model.post_layernorm.weight", [1024]),
            ("cond_stage_model.transformer.visual_projection.weight", [768, 1024]), ("cond_stage_model.transformer.logit_scale", []),
            ("model.diffusion_model.input_blocks.0.0.weight", [320, 4, 3, 3]),
        ]));
        Assert.Equal(["text_model.final_layer_norm.weight"], file.Components["text_encoder"].Tensors.Keys);
    }

    private static void AssertPlaces(SingleFileTable table, ModelFamily family, SingleFileLayout layout)
    {
        foreach ((string stored, (ComponentTensor[] to, long[]? shape)) in table.Stored)
            Assert.Equal(to, layout.Of(new TensorEntry(stored, ScalarType.Float16, shape!, 0, 0)));
        Assert.True(Enum.IsDefined(family));
    }

    // Recent versions of transformers save text encoders without text_model.
    private static string Whole(ComponentTensor part) =>
        part.Component.StartsWith("text", StringComparison.Ordinal) && !part.Name.StartsWith("text_", StringComparison.Ordinal) ? "text_model." + part.Name : part.Name;
}
