using Mural.Autoencoders;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Cli.Machine;
using Mural.Cli.Painting;
using Mural.DiM;
using Mural.Pipelines;
using Mural.UNet;

namespace Mural.Cli.Commands;

/// <summary><c>mural models</c>: the models that a name can stand for.</summary>
internal sealed class ModelsCommand() : SynchronousMuralCommand("models", $"List the models that came with Mural and those in the folders that {ModelCatalog.Variable} names.")
{
    internal override IReadOnlyList<string> Examples => ["models", "models --json"];

    private protected override object? Run(CommandContext context)
    {
        ModelLine[] models = [.. ModelCatalog.All().Select(Describe)];
        if (models.Length == 0) context.Say($"No models: set {ModelCatalog.Variable} to a folder of models, or train one with mural train.");
        foreach (ModelLine model in models)
        {
            string size = model.Width is { } width ? $"{width}x{model.Height} pixels, " : "";
            string knows = model.Problem is { } problem ? problem : model.Words is { } words ? $"{words} words" : model.Classes is { } classes ? $"{classes} classes" : model.Kind;
            context.Say($"{model.Name,-16} {size}{knows}, {Human.Bytes(model.Bytes)}{(model.Default ? ", the default" : "")}");
            context.Say($"{"",-16} {model.Path}");
        }
        return new { models };
    }

    private static ModelLine Describe(ModelFolder folder)
    {
        var line = new ModelLine(folder.Name, folder.Path, "", folder.BuiltIn, folder.Name == ModelCatalog.Default, folder.Bytes);
        try
        {
            if (folder.IsFile) return DescribeFile(line);
            line = line with { Kind = DiffusersIndex.Open(folder.Path).ClassName };
            return line.Kind == DiMModelIndex.ClassName ? DescribeDiM(line, folder) : DescribeDiffusion(line);
        }
        catch (MuralException problem)
        {
            // The others can be used all the same.
            return line with { Problem = problem.Message };
        }
    }

    private static ModelLine DescribeDiM(ModelLine line, ModelFolder folder)
    {
        DiMModelIndex index = folder.Index();
        DiMConfig config = DiMConfig.Load(Path.Combine(folder.Path, index.Denoiser, Checkpoints.ModelFolder.ConfigName));
        int pixels = config.PatchSize * (index.Autoencoder is { } name ? AutoencoderConfig.Read(Path.Combine(folder.Path, name)).Downscale : 1);
        return line with
        {
            Width = config.TrainedGrid.Columns * pixels,
            Height = config.TrainedGrid.Rows * pixels,
            Words = config.Conditioning == Conditioning.Words ? config.Classes : null,
            Classes = config.Conditioning == Conditioning.Class ? config.Classes : null,
        };
    }

    private static ModelLine DescribeFile(ModelLine line)
    {
        using StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(line.Path);
        line = line with { Kind = ModelFamilies.NameOf(checkpoint.Family) };
        if (!checkpoint.Components.ContainsKey(SingleFileLayout.Autoencoder)) return line;
        int? side = checkpoint.UNetConfig.SampleSize * checkpoint.AutoencoderConfig.Downscale;
        return line with { Width = side, Height = side };
    }

    // Folders of models that cannot be painted with are listed without a size.
    private static ModelLine DescribeDiffusion(ModelLine line)
    {
        string unet = Path.Combine(line.Path, SingleFileLayout.UNet), vae = Path.Combine(line.Path, SingleFileLayout.Autoencoder);
        if (!Directory.Exists(unet) || !Directory.Exists(vae)) return line;
        try
        {
            int? side = UNetConfig.Read(unet).SampleSize * AutoencoderConfig.Read(vae).Downscale;
            return line with { Width = side, Height = side };
        }
        catch (MuralException)
        {
            return line;
        }
    }

    /// <summary>One model; sizes in pixels and bytes.</summary>
    private sealed record ModelLine(string Name, string Path, string Kind, bool BuiltIn, bool Default, long Bytes)
    {
        public int? Width { get; init; }

        public int? Height { get; init; }

        public int? Words { get; init; }

        public int? Classes { get; init; }

        public string? Problem { get; init; }
    }
}
