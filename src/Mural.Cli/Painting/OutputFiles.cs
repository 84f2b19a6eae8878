using Mural.Checkpoints;
using Mural.Cli.CommandLine;
using Mural.Imaging;

namespace Mural.Cli.Painting;

/// <summary>The files of a run: each picture is written as soon as it is finished, so that a run that is ended early keeps what it has painted.</summary>
internal sealed class OutputFiles
{
    private readonly IReadOnlyList<string> _files;
    private int _written;

    /// <param name="files">The pictures' files, in the order in which they will be finished.</param>
    /// <exception cref="MuralException">A folder among them cannot be written to, which must not come out only after painting.</exception>
    internal OutputFiles(IReadOnlyList<string> files)
    {
        _files = files;
        foreach (string file in files.DistinctBy(file => Path.GetDirectoryName(file))) AtomicFile.RequireWritable(file);
    }

    /// <summary>Writes the next picture.</summary>
    /// <exception cref="MuralException">It cannot be written.</exception>
    internal void Write(Picture picture, PictureMetadata metadata)
    {
        PictureWriter.Write(_files[_written], picture, null, metadata);
        _written++;
    }

    /// <summary>Runs what paints, and names the files that were written by then, also where it ends early.</summary>
    internal async Task<T> SayWrittenAsync<T>(CommandContext context, Func<Task<T>> paint)
    {
        try
        {
            return await paint().ConfigureAwait(false);
        }
        finally
        {
            Say(context);
        }
    }

    // Only afterwards: lines would go through the display of progress.
    private void Say(CommandContext context)
    {
        foreach (string file in _files.Take(_written)) context.Say(file);
    }
}
