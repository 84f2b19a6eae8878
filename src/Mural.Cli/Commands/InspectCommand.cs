using System.CommandLine;
using Mural.Cli.CommandLine;
using Mural.Cli.Inspection;
using Mural.Imaging;

namespace Mural.Cli.Commands;

/// <summary><c>mural inspect</c>: what a checkpoint or a picture holds.</summary>
internal sealed class InspectCommand : SynchronousMuralCommand
{
    private readonly Argument<string> _path = new("file") { Description = "A checkpoint (safetensors, .pth, .ckpt, or a folder with one) or a picture.", HelpName = "FILE" };

    internal InspectCommand() : base("inspect", "Show what a checkpoint holds (tensors, types, family, parameters) or how a picture was made.") => Add(_path);

    internal override IReadOnlyList<string> Examples => ["inspect model.safetensors", "inspect nnet_ema.pth --json", "inspect heart.png"];

    private protected override object? Run(CommandContext context)
    {
        string path = context.Value(_path)!;
        if (IsPicture(path))
        {
            PictureReport picture = PictureReport.Of(path);
            foreach (string line in picture.Lines()) context.Say(line);
            return picture;
        }
        CheckpointReport checkpoint = CheckpointReport.Of(path);
        foreach (string line in checkpoint.Lines()) context.Say(line);
        return checkpoint;
    }

    private static bool IsPicture(string path)
    {
        if (!File.Exists(path)) return false;
        Span<byte> start = stackalloc byte[PictureFormats.SignatureBytes];
        using FileStream stream = File.OpenRead(path);
        return PictureFormats.Recognise(start[..stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)]) is not null;
    }
}
