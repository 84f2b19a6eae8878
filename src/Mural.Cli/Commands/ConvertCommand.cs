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
internal sealed class ConvertCommand : SynchronousMuralCommand
{
    private readonly Argument<string> _input = new("input")
    {
        Description = "A checkpoint of any supported format, or the folder of a Stable Diffusion or an autoencoder.",
        HelpName = "INPUT"
    };

    private readonly Argument<string> _output = new("output")
    {
        Description = "A file ending with .safetensors, .ckpt or .pth; for Stable Diffusion and autoencoders also a folder.",
        HelpName = "OUTPUT"
    };

    private readonly Option<string> _precision = new("--precision") { Description = "Number format of the weights.", DefaultValueFactory = _ => "keep" };
    private readonly Option<long?> _maxShardSize = ByteSize.Option(
        "--max-shard-size", "Write several .safetensors files of at most this size, such as 2GB, and an index of them (default: one file).");
    private readonly Option<bool> _force = new("--force") { Description = "Replace an output that exists." };

    internal ConvertCommand() : base(
        "convert", "Write a checkpoint in another file format or number format, or a Stable Diffusion in the other layout: one file, or a diffusers folder.")
    {
        Add(_input);
        Add(_output);
        Add(_precision);
        Add(_maxShardSize);
        Add(_force);
        _precision.TakeOneOf(["keep", .. PrecisionNames.All]);
    }

    internal override IReadOnlyList<string> Examples =>
    [
        "convert nnet_ema.pth dim-h.safetensors --precision f16",
        "convert dim-h.safetensors nnet_ema.pth",
        "convert sd-1.5/ sd-1.5.safetensors --precision f16",
        "convert v1-5-pruned.ckpt sd-1.5/ --precision bf16",
        "convert sdxl.safetensors sdxl/ --max-shard-size 2GB",
        "convert vae/ vae-f16/ --precision f16",
    ];

    private protected override object? Run(CommandContext context)
    {
        string input = context.Value(_input)!, output = context.Value(_output)!;
        ScalarType? type = PrecisionNames.Parse(context.Value(_precision))?.ToScalarType();
        long? shard = context.Value(_maxShardSize);
        bool exists = ShardedWriter.FormsOf(output).Count > 0 || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any());
        if (exists && !context.Value(_force))
            throw new MuralException($"{output} exists already: choose another name, or replace it with --force.");

        string extension = Path.GetExtension(output).ToLowerInvariant();
        bool toFolder = extension.Length == 0 || Path.EndsInDirectorySeparator(output) || Directory.Exists(output);
        IReadOnlyList<string> written = toFolder ? ToFolder(context, input, output, type, shard) : [ToFile(context, input, output, extension, type, shard)];
        return Report(context, output, written);
    }

    private static string ToFile(CommandContext context, string input, string output, string extension, ScalarType? type, long? shard)
    {
        if (extension is not (".safetensors" or ".ckpt" or ".pth"))
            throw new MuralException($"Checkpoints cannot be written as {extension}: end the name {output} with .safetensors, .ckpt or .pth.");
        bool safetensors = extension == ".safetensors";
        if (shard is not null && !safetensors)
            throw new MuralException($"A {extension} file cannot be written in shards: end the name {output} with .safetensors, or leave --max-shard-size out.");
        if (FolderLayout.Is(input))
        {
            using StableDiffusionCheckpoint model = StableDiffusionCheckpoint.Open(input);
            return StableDiffusionWriter.SaveFile(model, output, type, shard, context.Cancellation);
        }
        using ITensorSource source = Checkpoint.Open(input);
        if (safetensors) return ShardedWriter.Save(output, source, shard ?? long.MaxValue, type: type, cancellationToken: context.Cancellation);
        TorchWriter.Save(output, source, type, context.Cancellation);
        return output;
    }

    private static IReadOnlyList<string> ToFolder(CommandContext context, string input, string output, ScalarType? type, long? shard)
    {
        if (File.Exists(Path.Combine(input, ModelFolder.ConfigName)))
        {
            ScalarType stored = StoredType(input);
            using AutoencoderKL autoencoder = AutoencoderKL.FromFolder(input, stored);
            ModelFolder.Save(autoencoder, autoencoder.Config.ToJson(), output, type ?? stored, maxShardBytes: shard, cancellation: context.Cancellation);
            return [output];
        }
        using StableDiffusionCheckpoint model = OpenForFolder(input, output);
        bool tokenizers = StableDiffusionWriter.SaveFolder(model, output, type, shard, context.Cancellation);
        if (!tokenizers) context.Warn($"no vocabulary was found for the tokenizers of {output}; copy the tokenizer folders of another model of this family there.");
        if (model.PredictionIsGuessed)
            context.Warn($"{input} does not say whether it predicts noise or velocities, so that {EnumNames.Of(model.Sampling.PredictionType)} is assumed, as its weights suggest; "
                + $"change prediction_type in {Path.Combine(output, FolderLayout.SchedulerFolder, FolderLayout.SchedulerName)} if its pictures are grey or noisy.");
        return [.. model.Components.Keys.Select(component => Path.Combine(output, component))];
    }

    // Small tensors may be kept in more precision than the others.
    private static ScalarType StoredType(string folder)
    {
        using ITensorSource weights = ModelFolder.OpenWeights(folder);
        return weights.Tensors.Values.MaxBy(entry => entry.Elements)?.Type ?? ScalarType.Float32;
    }

    private static StableDiffusionCheckpoint OpenForFolder(string input, string output)
    {
        try
        {
            return StableDiffusionCheckpoint.Open(input);
        }
        catch (MuralException error)
        {
            throw new MuralException($"{output} has no extension and is taken for the folder of a Stable Diffusion or an autoencoder: {error.Message}", error);
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
        Dictionary<string, int> types = summaries.SelectMany(summary => summary.Types)
            .GroupBy(type => type.Key, type => type.Value).ToDictionary(group => group.Key, group => group.Sum());
        context.Say(
            $"{output}: {Human.Count(parameters)} parameters in {tensors} tensors ({string.Join(", ", types.Select(type => $"{type.Value} {type.Key}"))}), {Human.Bytes(bytes)}");
        return new { path = output, format, tensors, parameters, bytes, types };
    }
}
