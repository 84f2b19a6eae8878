using Mural.Adapters.Lora;
using Mural.Checkpoints;

namespace Mural.Tests.Adapters.Lora;

/// <summary>The scales that PEFT's settings give.</summary>
public sealed class LoraSettingsTests : IDisposable
{
    private const string Query = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{ "unet.lora_alpha": 6 }""", 3)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "attn1.to_q": 4 } }""", 2)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "1.to_q": 4 } }""", 3)]
    [InlineData("""{ "unet.lora_alpha": 8, "unet.use_rslora": true }""", 5.656854249492381)]
    [InlineData("""{ "text_encoder.lora_alpha": 6 }""", 1)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "attn2.to_q": 8, "attn[12].to_(q|k)": 4, "to_q": 2 } }""", 2)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "transformer_blocks.0": 8, "attn1.*": 4 } }""", 2)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "^mid_block\\..*\\.to_q": 4 } }""", 2)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "^attn1\\.to_q": 4 } }""", 3)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "[01].to_q": 4 } }""", 3)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "attn..to_q": 4 } }""", 2)]
    [InlineData("""{ "unet.lora_alpha": 6, "unet.alpha_pattern": { "mid_block.attentions.0.transformer_blocks.0.attn1.to_q": 4 } }""", 2)]
    [InlineData("[]", 1)]
    public void PeftsSettingsGiveTheScale(string settings, double expected)
    {
        using var scope = NewDisposeScope();
        string path = _folder.At("settings.safetensors");
        SafetensorsWriter.Save(
            path, new Dictionary<string, Tensor> { [$"unet.{Query}.lora_A.weight"] = ones(2, 64), [$"unet.{Query}.lora_B.weight"] = ones(64, 2) },
            new Dictionary<string, string> { ["lora_adapter_metadata"] = settings });
        using LoraFile file = LoraFile.Open(path);
        Assert.Equal(expected, Assert.Single(file.Modules).Scale, 12);
    }

    [Theory]
    [InlineData("""{ "lora_alpha": 6, "r": 2 }""", 3)]
    [InlineData("""{ "lora_alpha": 6, "alpha_pattern": { "attn1.to_q": 4 } }""", 2)]
    [InlineData("""{ "lora_alpha": 8, "use_rslora": true }""", 5.656854249492381)]
    [InlineData("{}", 1)]
    public void PeftsFileBesideGivesTheScale(string settings, double expected)
    {
        using var scope = NewDisposeScope();
        string path = Write(($"base_model.model.{Query}.lora_A.weight", ones(2, 64)), ($"base_model.model.{Query}.lora_B.weight", ones(64, 2)));
        File.WriteAllText(_folder.At("adapter_config.json"), settings);
        using (LoraFile file = LoraFile.Open(path)) Assert.Equal(expected, Assert.Single(file.Modules).Scale, 12);
        // Files of other names do not belong to it.
        using (LoraFile other = LoraFile.Open(Write(($"{Query}.lora_A.weight", ones(2, 64)), ($"{Query}.lora_B.weight", ones(64, 2)))))
            Assert.Equal(1, Assert.Single(other.Modules).Scale);
        File.WriteAllText(_folder.At("adapter_config.json"), "{");
        Assert.Contains("adapter_config.json", Assert.Throws<MuralException>(() => LoraFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PatternsThatAreNoExpressionsAreExplained()
    {
        const string Pattern = "attn1.(to_q";
        using var scope = NewDisposeScope();
        string path = Write(($"base_model.model.{Query}.lora_A.weight", ones(2, 64)), ($"base_model.model.{Query}.lora_B.weight", ones(64, 2)));
        File.WriteAllText(_folder.At("adapter_config.json"), $$"""{ "alpha_pattern": { "{{Pattern}}": 4 } }""");
        Assert.Contains(Pattern, Assert.Throws<MuralException>(() => LoraFile.Open(path)).Message, StringComparison.Ordinal);
    }

    private string Write(params (string Name, Tensor Values)[] tensors)
    {
        string path = _folder.At($"{Guid.NewGuid():N}.safetensors");
        SafetensorsWriter.Save(path, tensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Values));
        return path;
    }
}
