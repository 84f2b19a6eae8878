using Mural.Checkpoints;
using NetVips;

namespace Mural.Imaging;

/// <summary>A pyramid of tiles in the layout of Deep Zoom, which viewers load piece by piece: NAME.dzi and the folder NAME_files.</summary>
internal static class DeepZoomFiles
{
    private const string Index = ".dzi", Tiles = "_files";

    /// <summary>Writes one from a file of raw rows, beside its place, and puts it there when it is whole.</summary>
    /// <param name="path">Where, without an extension.</param>
    /// <param name="raw">8-bit RGB samples, row after row.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <exception cref="MuralException">It cannot be written, or would replace a folder that belongs to no pyramid.</exception>
    internal static void Write(string path, string raw, int width, int height)
    {
        Check(path);
        string full = Path.GetFullPath(path);
        try
        {
            using WritingFolder writing = WritingFolder.Beside(full);
            string name = Path.Combine(writing.Folder, "new");
            using (Image picture = PictureRows.Open(raw, width, height))
                picture.Dzsave(name, layout: Enums.ForeignDzLayout.Dz, suffix: ".jpg[Q=92]", keep: Enums.ForeignKeep.None);
            // Thousands of tiles would each be flushed by itself; those that a lost machine loses can be cut again from the picture, which is flushed.
            Replace(full, name, Path.Combine(writing.Folder, "old"));
        }
        catch (Exception error) when (error is VipsException or IOException or UnauthorizedAccessException)
        {
            throw new MuralException(
                $"The tiles of {width}x{height} pixels cannot be written to {path} ({VipsSetup.FirstLine(error.Message)}); choose another place or free some space.", error);
        }
    }

    // The earlier pyramid comes back where the new one cannot take its place.
    private static void Replace(string full, string name, string old)
    {
        bool replaces = Directory.Exists(full + Tiles);
        if (replaces) Directory.Move(full + Tiles, old);
        try
        {
            Directory.Move(name + Tiles, full + Tiles);
            File.Move(name + Index, full + Index, overwrite: true);
        }
        catch
        {
            if (Directory.Exists(full + Tiles)) Directory.Delete(full + Tiles, recursive: true);
            if (replaces) Directory.Move(old, full + Tiles);
            throw;
        }
    }

    /// <summary>Tells beforehand whether the place is free, or taken by an earlier pyramid.</summary>
    /// <exception cref="MuralException">Something else is there.</exception>
    internal static void Check(string path)
    {
        if ((Directory.Exists(path + Tiles) || File.Exists(path + Tiles)) && !File.Exists(path + Index))
            throw new MuralException(
                $"{path + Tiles} is there without {Path.GetFileName(path) + Index}, so that it may not be a pyramid of tiles; move it away, or choose another name.");
    }
}
