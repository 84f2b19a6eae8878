using System.CommandLine;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.StableDiffusion;
using Mural.Cli.CommandLine;
using Mural.Cli.Machine;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Commands;

/// <summary><c>mural convert</c>: a checkpoint in another file format, number format or, for Stable Diffusion, layout.</summary>
internal sealed class ConvertCommand : MuralCommand
{
    private readonly Argument<string> _input = new("input") { Description = "A checkpoint of any supported format, or the folder of a Stable Diffusion or an autoencoder.", HelpName = "INPUT" };
    private readonly Argument<string> _output = new("output") { Description = "A file ending with .safetensors, .ckpt or .pth; for Stable Diffusion and autoencoders also a folder.", HelpName = "OUTPUT" };
    private readonly Option<string> _precision = new("--precision") { Description = "Number format of the weights.", DefaultValueFactory = _ => "keep" };
    private readonly Option<bool> _force = new("--force") { Description = "Replace an output that exists." };

    internal ConvertCommand() : base("convert", "Write a checkpoint in another file format or number format, or a Stable Diffusion in the other layout: one file, or a diffusers folder.")
    {
        Add(_input);
        Add(_output);
        Add(_precision);
        Add(_force);
        _precision.TakeOneOf(["keep", .. PrecisionNames.All]);
    }

    internal override IReadOnlyList<string> Examples =>
    [
        "convert nnet_ema.pth dim-h.safetensors --precision f16",
        "convert dim-h.safetensors nnet_ema.pth",
        "convert sd-1.5/ sd-1.5.safetensors --precision f16",
        "convert v1-5-pruned.ckpt sd-1.5/ --precision bf16",
        "convert vae/ vae-f16/ --precision f16",
    ];

    internal override object? Run(CommandContext context)
    {
        string input = context.Value(_input)!, output = context.Value(_output)!;
        ScalarType? type = PrecisionNames.Parse(context.Value(_precision))?.ToScalarType();
        bool exists = File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any());
        if (exists && !context.Value(_force))
            throw new MuralException($"{output} exists already: choose another name, or replace it with --force.");

        string extension = Path.GetExtension(output).ToLowerInvariant();
        bool toFolder = extension.Length == 0 || Path.EndsInDirectorySeparator(output) || Directory.Exists(output);
        IReadOnlyList<string> written = toFolder ? ToFolder(context, input, output, type) : ToFile(context, input, output, extension, type);
        return Report(context, output, written);
    }

    private static IReadOnlyList<string> ToFile(CommandContext context, string input, string output, string extension, ScalarType? type)
    {
        if (extension is not (".safetensors" or ".ckpt" or ".pth"))
            throw new MuralException($"Checkpoints cannot be written as {extension}: end the name {output} with .safetensors, .ckpt or .pth.");
        if (FolderLayout.Is(input))
        {
            using StableDiffusionCheckpoint model = StableDiffusionCheckpoint.Open(input);
            StableDiffusionWriter.SaveFile(model, output, type, context.Cancellation);
            return [output];
        }
        using ITensorSource source = Checkpoint.Open(input);
        if (extension == ".safetensors") SafetensorsWriter.Save(output, source, type: type, cancellationToken: context.Cancellation);
        else TorchWriter.Save(output, source, type, context.Cancellation);
        return [output];
    }

    private static IReadOnlyList<string> ToFolder(CommandContext context, string input, string output, ScalarType? type)
    {
        if (File.Exists(Path.Combine(input, ModelFolder.ConfigName)))
        {
            using AutoencoderKL autoencoder = AutoencoderKL.FromFolder(input);
            autoencoder.Save(output, type);
            return [Path.Combine(output, ModelFolder.WeightsName)];
        }
        using StableDiffusionCheckpoint model = OpenForFolder(input, output);
        bool tokenizers = StableDiffusionWriter.SaveFolder(model, output, type, context.Cancellation);
        if (!tokenizers) context.Warn($"no vocabulary was found for the tokenizers of {output}; copy the tokenizer folders of another model of this family there.");
        if (model.PredictionIsGuessed) context.Warn($"{input} does not say whether it predicts noise or velocities, so that velocities are assumed; change prediction_type in {Path.Combine(output, FolderLayout.SchedulerFolder, FolderLayout.SchedulerName)} if its pictures show that it is noise.");
        return [.. model.Components.Keys.Select(component => Path.Combine(output, component))];
    }

    private static StableDiffusionCheckpoint OpenForFolder(string input, string output)
    {
        try
        {
            return StableDiffusionCheckpoint.Open(input);
        }
        catch (MuralException error)
        {
            throw new MuralException($"{output} has no extension, as for the folder of a Stable Diffusion or an autoencoder, but {char.ToLowerInvariant(error.Message[0])}{error.Message[1..]}", error);
        }
    }

    private static object Report(CommandContext context, string output, IReadOnlyList<string> written)
    {
        var summaries = new List<CheckpointSummary>();
        foreach (string path in written)
        {
            using ITensorSource result = Checkpoint.Open(path);
            summaries.Add(CheckpointSummary.Of(result));
        }
        string format = string.Join(", ", summaries.Select(summary => summary.Format).Distinct());
        int tensors = summaries.Sum(summary => summary.TensorCount);
        long parameters = summaries.Sum(summary => summary.Parameters), bytes = summaries.Sum(summary => summary.Bytes);
        Dictionary<string, int> types = summaries.SelectMany(summary => summary.Types).GroupBy(type => type.Key, type => type.Value).ToDictionary(group => group.Key, group => group.Sum());
        context.Say($"{output}: {Human.Count(parameters)} parameters in {tensors} tensors ({string.Join(", ", types.Select(type => $"{type.Value} {type.Key}"))}), {Human.Bytes(bytes)}");
        return new { path = output, format, tensors, parameters, bytes, types };
    }
}
