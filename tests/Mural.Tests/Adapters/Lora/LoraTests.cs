using Mural.Adapters.Lora;
using Mural.Checkpoints;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Adapters.Lora;

public sealed class LoraTests : IDisposable
{
    private const string Query = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q", Convolution = "mid_block.resnets.0.conv1";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight")]
    [InlineData("lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q.lora_down.weight")]
    [InlineData("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight")]
    [InlineData("unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora.down.weight")]
    [InlineData("unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight")]
    [InlineData("mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q_lora.down.weight")]
    [InlineData("base_model.model.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.default.weight")]
    [InlineData("base_model.model.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.upside-down.weight")]
    [InlineData("lycoris_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight")]
    [InlineData("diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.lora_A.weight")]
    [InlineData("diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.lora_down.weight")]
    public void EveryNameOfALayerMeansIt(string down)
    {
        using var scope = NewDisposeScope();
        string up = down.Replace("down", "up", StringComparison.Ordinal).Replace("lora_A", "lora_B", StringComparison.Ordinal);
        string path = Write((down, ones(2, 64)), (up, ones(64, 2)));
        Assert.Equal([$"unet.{Query}.weight"], Changed(path));
    }

    [Theory]
    [InlineData("lora_te_text_model_encoder_layers_1_self_attn_q_proj.lora_down.weight", "self_attn.q_proj")]
    [InlineData("lora_te1_text_model_encoder_layers_1_self_attn_out_proj.lora_down.weight", "self_attn.out_proj")]
    [InlineData("text_encoder.text_model.encoder.layers.1.self_attn.v_proj.lora_linear_layer.down.weight", "self_attn.v_proj")]
    [InlineData("text_encoder.text_model.encoder.layers.1.self_attn.to_out_lora.down.weight", "self_attn.out_proj")]
    [InlineData("text_encoder.encoder.layers.1.self_attn.k_proj.lora_A.weight", "self_attn.k_proj")]
    [InlineData("text_encoders.clip_l.transformer.text_model.encoder.layers.1.self_attn.k_proj.lora_down.weight", "self_attn.k_proj")]
    public void EveryNameOfATextEncodersLayerMeansIt(string down, string layer)
    {
        using var scope = NewDisposeScope();
        string up = down.Replace("down", "up", StringComparison.Ordinal).Replace("lora_A", "lora_B", StringComparison.Ordinal);
        string path = Write((down, ones(2, 32)), (up, ones(32, 2)));
        Assert.Equal([$"text_encoder.text_model.encoder.layers.1.{layer}.weight"], Changed(path));
    }

    [Fact]
    public void TheChangeIsTheScaledProduct()
    {
        using var scope = NewDisposeScope();
        Tensor down = randn(4, 64), up = randn(64, 4), middle = randn(4, 4, 3, 3), small = randn(4, 64, 1, 1), large = randn(4, 64, 3, 3), plain = randn(64, 4, 1, 1);
        string path = Write(
            ($"unet.{Query}.lora_down.weight", down), ($"unet.{Query}.lora_up.weight", up), ($"unet.{Query}.alpha", tensor(2.0)),
            ($"unet.{Convolution}.lora_down.weight", small), ($"unet.{Convolution}.lora_up.weight", plain), ($"unet.{Convolution}.lora_mid.weight", middle),
            ("unet.mid_block.resnets.0.conv2.lora_down.weight", large), ("unet.mid_block.resnets.0.conv2.lora_up.weight", plain));
        using LoraFile file = LoraFile.Open(path);
        Tensor Change(string key, params long[] shape) => file.Modules.Single(module => module.Key == "unet." + key).Change(shape);
        AssertClose(up.mm(down) * 0.5, Change(Query, 64, 64));
        // One convolution after the other is the convolution by their product.
        Tensor map = randn(1, 64, 8, 8);
        Tensor chain = nn.functional.conv2d(nn.functional.conv2d(nn.functional.conv2d(map, small), middle, padding: [1, 1]), plain);
        AssertClose(chain, nn.functional.conv2d(map, Change(Convolution, 64, 64, 3, 3), padding: [1, 1]));
        AssertClose(
            nn.functional.conv2d(nn.functional.conv2d(map, large, padding: [1, 1]), plain),
            nn.functional.conv2d(map, Change("mid_block.resnets.0.conv2", 64, 64, 3, 3), padding: [1, 1]));
    }

    [Fact]
    public void LohaMultipliesTwoMatricesValueByValue()
    {
        using var scope = NewDisposeScope();
        Tensor a1 = randn(64, 4), b1 = randn(4, 64), a2 = randn(64, 4), b2 = randn(4, 64);
        // Around a core, the factors of the output lie the other way round.
        Tensor c1 = randn(4, 64), d1 = randn(4, 64), core1 = randn(4, 4, 3, 3), c2 = randn(4, 64), d2 = randn(4, 64), core2 = randn(4, 4, 3, 3);
        string path = Write(
            ($"unet.{Query}.hada_w1_a", a1), ($"unet.{Query}.hada_w1_b", b1),
            ($"unet.{Query}.hada_w2_a", a2), ($"unet.{Query}.hada_w2_b", b2), ($"unet.{Query}.alpha", tensor(2.0)),
            ($"unet.{Convolution}.hada_w1_a", c1), ($"unet.{Convolution}.hada_w1_b", d1), ($"unet.{Convolution}.hada_t1", core1),
            ($"unet.{Convolution}.hada_w2_a", c2), ($"unet.{Convolution}.hada_w2_b", d2), ($"unet.{Convolution}.hada_t2", core2));
        using (ITensorSource source = Checkpoint.Open(path)) Assert.Equal("LoHa", LoraFile.KindOf(source));
        using LoraFile file = LoraFile.Open(path);
        AssertClose(a1.mm(b1) * a2.mm(b2) * 0.5, Change(file, Query, 64, 64));
        Tensor Kernel(Tensor core, Tensor output, Tensor input) => einsum("nmhw,ni,mj->ijhw", core, output, input);
        AssertClose(Kernel(core1, c1, d1) * Kernel(core2, c2, d2), Change(file, Convolution, 64, 64, 3, 3));
        Assert.Equal([$"unet.{Query}.weight", $"unet.{Convolution}.weight"], Changed(path).OrderBy(name => name.Contains("resnets", StringComparison.Ordinal)));
    }

    [Fact]
    public void LokrIsAKroneckerProduct()
    {
        using var scope = NewDisposeScope();
        const string Key = "mid_block.attentions.0.transformer_blocks.0.attn1.to_k", Linear = "mid_block.resnets.0.conv2";
        Tensor first = randn(8, 4), second = randn(8, 16), third = randn(8, 16, 3, 3), a = randn(8, 2), b = randn(2, 16), flatA = randn(8, 2), flatB = randn(2, 16 * 9);
        Tensor output = randn(2, 8), input = randn(2, 16), core = randn(2, 2, 3, 3);
        string path = Write(
            ($"unet.{Query}.lokr_w1", first), ($"unet.{Query}.lokr_w2", second), ($"unet.{Query}.alpha", tensor(7.0)),
            ($"unet.{Key}.lokr_w1", first), ($"unet.{Key}.lokr_w2_a", a), ($"unet.{Key}.lokr_w2_b", b), ($"unet.{Key}.alpha", tensor(1.0)),
            ($"unet.{Convolution}.lokr_w1", first), ($"unet.{Convolution}.lokr_w2", third),
            ($"unet.{Linear}.lokr_w1", first), ($"unet.{Linear}.lokr_w2_a", flatA), ($"unet.{Linear}.lokr_w2_b", flatB),
            ("unet.up_blocks.0.resnets.0.conv2.lokr_w1", first), ("unet.up_blocks.0.resnets.0.conv2.lokr_w2_a", output),
            ("unet.up_blocks.0.resnets.0.conv2.lokr_w2_b", input), ("unet.up_blocks.0.resnets.0.conv2.lokr_t2", core));
        using LoraFile file = LoraFile.Open(path);
        // Each number of the first stands for a block, that many times the second.
        Tensor Product(Tensor other) => cat([.. Enumerable.Range(0, 8).Select(i => cat([.. Enumerable.Range(0, 4).Select(j => first[i, j] * other)], 1))], 0);
        // Whole matrices have no rank.
        AssertClose(Product(second), Change(file, Query, 64, 64));
        AssertClose(Product(a.mm(b)) * 0.5, Change(file, Key, 64, 64));
        AssertClose(Product(third), Change(file, Convolution, 64, 64, 3, 3));
        AssertClose(Product(flatA.mm(flatB).reshape(8, 16, 3, 3)), Change(file, Linear, 64, 64, 3, 3));
        AssertClose(Product(einsum("nmhw,ni,mj->ijhw", core, output, input)), Change(file, "up_blocks.0.resnets.0.conv2", 64, 64, 3, 3));
        Assert.True(file.Modules.All(module => module.Fits(module.Key.Contains("attn1", StringComparison.Ordinal) ? [64, 64] : [64, 64, 3, 3])));
    }

    [Theory]
    [InlineData("lokr_w2", new long[] { 3 }, "no product")]
    [InlineData("lokr_w2", new long[] { 0, 4 }, "no product")]
    [InlineData("lokr_w2_a", new long[] { 4, 3 }, "only a part")]
    [InlineData("lora_down.weight", new long[] { 4, 3 }, "only a part")]
    public void LokrThatIsNoneIsRefused(string part, long[] shape, string reason)
    {
        using var scope = NewDisposeScope();
        string path = Write(("x.lokr_w1", ones(2, 2)), ("x." + part, ones(shape)));
        Assert.Contains(reason, Assert.Throws<MuralException>(() => LoraFile.Open(path)).Message, StringComparison.Ordinal);
        path = Write(("x.lokr_w1", ones(2, 2)), ("x.lokr_w2", ones(2, 2)), ("x.hada_w1_a", ones(2, 2)));
        Assert.Contains("two kinds at once", Assert.Throws<MuralException>(() => LoraFile.Open(path)).Message, StringComparison.Ordinal);
        path = Write(("x.hada_w1_a", ones(4, 2)), ("x.hada_w1_b", ones(2, 4)), ("x.hada_w2_a", ones(4, 2)), ("x.hada_w2_b", ones(2, 5)));
        Assert.Contains("no product", Assert.Throws<MuralException>(() => LoraFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LinearAndConvolutionOfOnePixelAreTheSameLayer()
    {
        using var scope = NewDisposeScope();
        // A convolution in this model, a linear layer in its successors.
        string path = Write(("unet.mid_block.attentions.0.proj_in.lora_A.weight", ones(1, 64)), ("unet.mid_block.attentions.0.proj_in.lora_B.weight", ones(64, 1)));
        Assert.Equal(["unet.mid_block.attentions.0.proj_in.weight"], Changed(path));
    }

    [Fact]
    public void AnInpaintingModelTakesAPlainModelsFirstConvolution()
    {
        using var scope = NewDisposeScope();
        string path = Write(("lora_unet_conv_in.lora_down.weight", ones(1, 4, 3, 3)), ("lora_unet_conv_in.lora_up.weight", ones(32, 1, 1, 1)));
        using LoraFile file = LoraFile.Open(path);
        Assert.True(file.Modules[0].Fits([32, 9, 3, 3]));
        Tensor change = file.Modules[0].Change([32, 9, 3, 3]);
        Assert.Equal(32 * 4 * 9, change.sum().item<float>());
        Assert.Equal(0, change[TensorIndex.Colon, TensorIndex.Slice(start: 4)].abs().sum().item<float>());
    }

    [Fact]
    public void TextEncodersMayHaveAWeightOfTheirOwn()
    {
        using var scope = NewDisposeScope();
        using LoraModel model = LoraModel.Tiny(), untouched = LoraModel.Tiny();
        var merge = new LoraMerge(model.Components);
        using LoraFile file = LoraFile.Open(Golden("kohya-sd15.safetensors"));
        merge.Apply(new WeightedLora(file, 0.7, TextWeight: 0));
        string[] changed = model.Differences(untouched);
        Assert.NotEmpty(changed);
        Assert.DoesNotContain(changed, name => name.StartsWith("text", StringComparison.Ordinal));
        merge.Apply(new WeightedLora(file, 0.4), new WeightedLora(file, 0.3));
        using var other = LoraModel.Tiny();
        new LoraMerge(other.Components).Apply(new WeightedLora(file, 0.7));
        foreach ((string component, nn.Module module) in model.Components)
        {
            Dictionary<string, Tensor> expected = ModuleWeights.Places(other.Components[component]);
            foreach ((string name, Tensor weight) in ModuleWeights.Places(module)) AssertClose(expected[name], weight);
        }
    }

    [Fact]
    public void WeightsOfReducedPrecisionAreRoundedOnce()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using LoraModel model = LoraModel.Tiny(type: bfloat16), untouched = LoraModel.Tiny(type: bfloat16);
        // Each change alone is lost in the weight's rounding; both together are not.
        Tensor weight = ModuleWeights.Places(model.UNet)[Query + ".weight"];
        weight.fill_(1);
        string path = Write(($"unet.{Query}.lora_A.weight", full([1, 64], 1 / 384f)), ($"unet.{Query}.lora_B.weight", ones(64, 1)));
        using LoraFile file = LoraFile.Open(path);
        var merge = new LoraMerge(model.Components);
        merge.Apply(new WeightedLora(file, 1));
        Assert.Equal(1, weight[0, 0].to(float32).item<float>());
        merge.Apply(new WeightedLora(file, 1), new WeightedLora(file, 1));
        Assert.Equal(1 + 1 / 128f, weight[0, 0].to(float32).item<float>());
    }

    [Fact]
    public void ALoraOfAnotherFamilyIsNamedAndChangesNothing()
    {
        using var scope = NewDisposeScope();
        using LoraModel model = LoraModel.Tiny(), untouched = LoraModel.Tiny();
        var merge = new LoraMerge(model.Components);
        using LoraFile fitting = LoraFile.Open(Golden("kohya-sd15.safetensors")), other = LoraFile.Open(Golden("kohya-sdxl-sgm.safetensors"));
        string message = Assert.Throws<MuralException>(() => merge.Apply(new WeightedLora(fitting, 1), new WeightedLora(other, 1))).Message;
        Assert.Contains("lora_te2_text_model", message, StringComparison.Ordinal);
        Assert.Contains("family", message, StringComparison.Ordinal);
        Assert.Single(message.Split(". "));

        using LoraFile misshapen = LoraFile.Open(Write(($"unet.{Query}.lora_A.weight", ones(2, 32)), ($"unet.{Query}.lora_B.weight", ones(128, 2))));
        message = Assert.Throws<MuralException>(() => merge.Apply(new WeightedLora(misshapen, 1))).Message;
        Assert.Contains($"'unet.{Query}' changes 128x32 values where the model has 64x64", message, StringComparison.Ordinal);
        Assert.Empty(model.Differences(untouched));
    }

    [Fact]
    public void NetworksMayGetTheirChangesApart()
    {
        using var scope = NewDisposeScope();
        using LoraModel together = LoraModel.Tiny("tiny-sdxl"), apart = LoraModel.Tiny("tiny-sdxl");
        using LoraFile file = LoraFile.Open(Golden("kohya-sdxl-sgm.safetensors"));
        new LoraMerge(together.Components).Apply(new WeightedLora(file, 0.7));
        string[] names = [.. together.Components.Keys];
        foreach (string name in names)
        {
            var merge = new LoraMerge(new Dictionary<string, nn.Module> { [name] = apart.Components[name] }, elsewhere: names.Where(other => other != name));
            merge.Apply(new WeightedLora(file, 0.7));
        }
        Assert.Empty(together.Differences(apart));

        // What no network of the model takes is named all the same.
        using LoraModel first = LoraModel.Tiny();
        var unet = new LoraMerge(new Dictionary<string, nn.Module> { ["unet"] = first.UNet }, elsewhere: ["text_encoder"]);
        Assert.Contains("lora_te2_", Assert.Throws<MuralException>(() => unet.Apply(new WeightedLora(file, 1))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lora_te_text_model_encoder_layers_0_mlp_fc1", "text_encoder")]
    [InlineData("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_encoder")]
    [InlineData("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_encoder_2")]
    [InlineData("text_encoder.text_model.encoder.layers.0.mlp.fc1", "text_encoder")]
    [InlineData("text_encoder_2.text_model.encoder.layers.0.mlp.fc1", "text_encoder_2")]
    [InlineData("text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1", "text_encoder")]
    [InlineData("text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1", "text_encoder_2")]
    [InlineData("lora_unet_input_blocks_1_0_in_layers_2", "unet")]
    [InlineData("down_blocks.0.attentions.0.proj_in", "unet")]
    public void ALayersNameTellsItsNetwork(string layer, string component) => Assert.Equal(component, LoraTargets.ComponentOf(layer));

    [Fact]
    public void WhatIsMergedForGoodIsWhatTheModelHasAfterwards()
    {
        using LoraModel model = LoraModel.Tiny(), untouched = LoraModel.Tiny(), other = LoraModel.Tiny();
        using LoraFile file = LoraFile.Open(Golden("kohya-sd15.safetensors"));
        LoraMerge merge = new(model.Components), kept = new(other.Components);
        merge.ApplyForGood(new WeightedLora(file, 1));
        kept.Apply(new WeightedLora(file, 1));
        merge.Apply(new WeightedLora(file, -0.5));
        Assert.NotEmpty(model.Differences(other));
        merge.Apply();
        Assert.Empty(model.Differences(other));
        Assert.NotEmpty(model.Differences(untouched));
    }

    [Theory]
    [InlineData(double.NaN, null)]
    [InlineData(double.PositiveInfinity, 1.0)]
    [InlineData(1, double.NaN)]
    public void AWeightThatIsNoNumberChangesNothing(double weight, double? textWeight)
    {
        using LoraModel model = LoraModel.Tiny(), untouched = LoraModel.Tiny();
        using LoraFile file = LoraFile.Open(Golden("kohya-sd15.safetensors"));
        string message = Assert.Throws<MuralException>(() => new LoraMerge(model.Components).Apply(new WeightedLora(file, weight, textWeight))).Message;
        Assert.Contains("it must be a number", message, StringComparison.Ordinal);
        Assert.Empty(model.Differences(untouched));
    }

    [Fact]
    public void TextualInversionsInTheFileAreLeftOut()
    {
        using var scope = NewDisposeScope();
        string path = Write(
            ($"unet.{Query}.lora_A.weight", ones(2, 64)), ($"unet.{Query}.lora_B.weight", ones(64, 2)),
            ("bundle_emb.<fox>.clip_l", ones(3, 768)), ("bundle_emb.<fox>.clip_g", ones(3, 1280)),
            ("bundle_emb.<fox>.clip_l_out", ones(3, 768)), ("bundle_emb.ink.string_to_param.*", ones(1, 768)));
        Assert.Equal([$"unet.{Query}.weight"], Changed(path));
        using (ITensorSource source = Checkpoint.Open(path)) Assert.Equal("LoRA", LoraFile.KindOf(source));
        using LoraFile file = LoraFile.Open(path);
        Assert.Equal(["<fox>", "ink"], file.Words.Order(StringComparer.Ordinal));
        using var loras = new OpenLoras([new StableDiffusionLora(path), new StableDiffusionLora(path, 0.5)]);
        Assert.Contains("'<fox>', 'ink'", Assert.Single(loras.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bundle_emb.fox.clip_l", "holds no layers")]
    [InlineData("x.hada_w1_a", "only a part of the layer 'x' (hada_w1_a)")]
    [InlineData("x.lokr_w1", "only a part of the layer 'x' (lokr_w1)")]
    [InlineData("base_model.model.x.lokr_w1", "LoKr of PEFT")]
    [InlineData("x.dora_scale", "DoRA")]
    [InlineData("x.diff_b", "full-difference")]
    [InlineData("x.diff", "full-difference")]
    [InlineData("x.w_norm", "norms")]
    [InlineData("x.on_input", "IA3")]
    [InlineData("model.diffusion_model.conv.weight", "which no LoRA has")]
    [InlineData("ip_adapter.1.to_k_ip.weight", "IP-Adapter")]
    [InlineData("conv_in.weight", "which no LoRA has")]
    [InlineData("x.lora_down.weight", "only a part of the layer 'x' (down)")]
    [InlineData("x.alpha", "only a part")]
    public void WhatIsNoLoraIsRefused(string tensor, string expected)
    {
        using var scope = NewDisposeScope();
        string path = Write((tensor, ones(2, 2)));
        Assert.Contains(expected, Assert.Throws<MuralException>(() => LoraFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new long[] { 2, 8 }, new long[] { 8, 3 }, null)]
    [InlineData(new long[] { 2, 8 }, new long[] { 8, 2, 3, 3 }, null)]
    [InlineData(new long[] { 2, 8, 1 }, new long[] { 8, 2 }, null)]
    [InlineData(new long[] { 0, 8 }, new long[] { 8, 0 }, null)]
    [InlineData(new long[] { 2, 8, 3, 3 }, new long[] { 8, 2, 1, 1 }, new long[] { 2, 2, 3, 3 })]
    [InlineData(new long[] { 2, 8, 1, 1 }, new long[] { 8, 2, 1, 1 }, new long[] { 3, 2, 3, 3 })]
    public void FactorsWithoutAProductAreRefused(long[] down, long[] up, long[]? middle)
    {
        using var scope = NewDisposeScope();
        var tensors = new List<(string, Tensor)> { ("x.lora_down.weight", ones(down)), ("x.lora_up.weight", ones(up)) };
        if (middle is not null) tensors.Add(("x.lora_mid.weight", ones(middle)));
        string path = Write([.. tensors]);
        Assert.Contains("no product", Assert.Throws<MuralException>(() => LoraFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(KernelSet.Mural)]
    [InlineData(KernelSet.Libtorch)]
    public void NoTensorStaysBehind(KernelSet? kernels)
    {
        using LoraModel model = LoraModel.Tiny();
        if (kernels is { } chosen) model.PrepareForInference(chosen, bfloat16);
        LiveTensors.AssertFlat(() =>
        {
            using LoraFile file = LoraFile.Open(Golden("kohya-sd15.safetensors"));
            var merge = new LoraMerge(model.Components);
            merge.Apply(new WeightedLora(file, 1));
            merge.Apply(new WeightedLora(file, 0.5), new WeightedLora(file, 0.2));
            merge.Apply();
        });
    }

    private static Tensor Change(LoraFile file, string key, params long[] shape) => file.Modules.Single(module => module.Key == "unet." + key).Change(shape);

    // The parameters that a LoRA changes.
    private static string[] Changed(string path)
    {
        using LoraModel model = LoraModel.Tiny(), untouched = LoraModel.Tiny();
        var merge = new LoraMerge(model.Components);
        using LoraFile file = LoraFile.Open(path);
        merge.Apply(new WeightedLora(file, 1));
        return model.Differences(untouched);
    }

    private string Write(params (string Name, Tensor Values)[] tensors)
    {
        string path = _folder.At($"{Guid.NewGuid():N}.safetensors");
        SafetensorsWriter.Save(path, tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Values));
        return path;
    }

    private static string Golden(string file) => GoldenCase.Adapter(file);

    private static void AssertClose(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        double distance = (expected - actual).norm().to(float64).item<double>() / Math.Max(expected.norm().to(float64).item<double>(), 1e-12);
        Assert.True(distance < 1e-5, $"{distance:G4} away");
    }
}
