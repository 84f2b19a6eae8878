using Mural.Cli.CommandLine;
using Mural.Cli.Machine;
using Mural.Cli.Painting;
using Mural.DiM;
using Mural.Pipelines;

namespace Mural.Cli.Commands;

/// <summary><c>mural models</c>: the models that a name can stand for.</summary>
internal sealed class ModelsCommand() : MuralCommand("models", $"List the models that came with Mural and those in the folders that {ModelCatalog.Variable} names.")
{
    internal override IReadOnlyList<string> Examples => ["models", "models --json"];

    internal override object? Run(CommandContext context)
    {
        ModelLine[] models = [.. ModelCatalog.All().Select(Describe)];
        if (models.Length == 0) context.Say($"No models: set {ModelCatalog.Variable} to a folder of models, or train one with mural train.");
        foreach (ModelLine model in models)
        {
            context.Say($"{model.Name,-16} {model.Width}x{model.Height} pixels, {(model.Words is { } words ? $"{words} words" : $"{model.Classes} classes")}, {Human.Bytes(model.Bytes)}{(model.Default ? ", the default" : "")}");
            context.Say($"{"",-16} {model.Path}");
        }
        return new { models };
    }

    private static ModelLine Describe(ModelFolder folder)
    {
        DiMModelIndex index = folder.Index();
        DiMConfig config = DiMConfig.Load(Path.Combine(folder.Path, index.Denoiser, "config.json"));
        int pixels = config.PatchSize * (index.Autoencoder is { } name ? Autoencoders.AutoencoderConfig.Read(Path.Combine(folder.Path, name)).Downscale : 1);
        return new ModelLine(
            folder.Name,
            folder.Path,
            folder.BuiltIn,
            folder.Name == ModelCatalog.Default,
            config.TrainedGrid.Columns * pixels,
            config.TrainedGrid.Rows * pixels,
            config.Conditioning == Conditioning.Words ? config.Classes : null,
            config.Conditioning == Conditioning.Class ? config.Classes : null,
            folder.Bytes);
    }

    /// <summary>One model; sizes in pixels and bytes.</summary>
    private sealed record ModelLine(string Name, string Path, bool BuiltIn, bool Default, int Width, int Height, int? Words, int? Classes, long Bytes);
}
