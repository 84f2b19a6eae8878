using System.CommandLine;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Cli.CommandLine;
using Mural.Cli.Machine;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Commands;

/// <summary><c>mural convert</c>: a checkpoint in another format or number format.</summary>
internal sealed class ConvertCommand : MuralCommand
{
    private readonly Argument<string> _input = new("input") { Description = "A checkpoint of any supported format, or the folder of an autoencoder.", HelpName = "INPUT" };
    private readonly Argument<string> _output = new("output") { Description = "A file ending with .safetensors or .pth; for an autoencoder also a folder.", HelpName = "OUTPUT" };
    private readonly Option<string> _precision = new("--precision") { Description = "Number format of the weights.", DefaultValueFactory = _ => "keep" };
    private readonly Option<bool> _force = new("--force") { Description = "Replace an output that exists." };

    internal ConvertCommand() : base("convert", "Write a checkpoint in another file format or number format; names and shapes stay.")
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
        "convert vae/ vae-f16/ --precision f16",
    ];

    internal override object? Run(CommandContext context)
    {
        string input = context.Value(_input)!, output = context.Value(_output)!;
        ScalarType? type = PrecisionNames.Parse(context.Value(_precision))?.ToScalarType();
        bool exists = File.Exists(output) || (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any());
        if (exists && !context.Value(_force))
            throw new MuralException($"{output} exists already: choose another name, or replace it with --force.");

        string written = Path.GetExtension(output).ToLowerInvariant() switch
        {
            ".safetensors" => Copy(input, output, source => SafetensorsWriter.Save(output, source, type: type, cancellationToken: context.Cancellation)),
            ".pth" => Copy(input, output, source => TorchWriter.Save(output, source, type, context.Cancellation)),
            "" => CopyAutoencoder(input, output, type),
            string other => throw new MuralException($"Checkpoints cannot be written as {other}: end the name {output} with .safetensors or .pth."),
        };
        using ITensorSource result = Checkpoint.Open(written);
        CheckpointSummary summary = CheckpointSummary.Of(result);
        context.Say($"{output}: {Human.Count(summary.Parameters)} parameters in {summary.TensorCount} tensors ({string.Join(", ", summary.Types.Select(t => $"{t.Value} {t.Key}"))}), {Human.Bytes(summary.Bytes)}");
        return new { path = output, summary.Format, tensors = summary.TensorCount, summary.Parameters, summary.Bytes, types = new Dictionary<string, int>(summary.Types) };
    }

    private static string Copy(string input, string output, Action<ITensorSource> write)
    {
        using ITensorSource source = Checkpoint.Open(input);
        write(source);
        return output;
    }

    private static string CopyAutoencoder(string input, string output, ScalarType? type)
    {
        if (!File.Exists(Path.Combine(input, ModelFolder.ConfigName)))
            throw new MuralException($"{output} has no extension, as for the folder of an autoencoder, but {input} is no such folder: end the output's name with .safetensors or .pth.");
        using AutoencoderKL autoencoder = AutoencoderKL.FromFolder(input);
        autoencoder.Save(output, type);
        return Path.Combine(output, ModelFolder.WeightsName);
    }
}
