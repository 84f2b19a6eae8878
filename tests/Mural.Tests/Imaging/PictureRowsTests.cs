using Mural.Checkpoints;
using Mural.Imaging;

namespace Mural.Tests.Imaging;

/// <summary>Pictures and pyramids that are written from files of raw rows.</summary>
public sealed class PictureRowsTests : IDisposable
{
    private const int Width = 64, Height = 48;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("city.png")]
    [InlineData("city.tif")]
    [InlineData("city")]
    public void WhatKilledProcessesLeftIsRemovedUnlessSomebodyWritesIt(string name)
    {
        string raw = _folder.Write("city.rgb", new byte[3 * Width * Height]), place = _folder.At(name);
        using WritingFolder held = WritingFolder.Beside(place);
        string left = Leave($".{name}.abcdefgh.ijk.tmp"), other = Leave($".{name}.other.abcdefgh.ijk.tmp");
        if (name == "city") DeepZoomFiles.Write(place, raw, Width, Height);
        else PictureRows.Write(place, raw, Width, Height, PictureMetadata.Empty);
        Assert.True(File.Exists(name == "city" ? place + ".dzi" : place));
        Assert.False(Directory.Exists(left));
        // Of nothing that was written now anything stays either.
        Assert.Equal(
            new[] { held.Folder, other }.Order(StringComparer.Ordinal),
            Directory.GetDirectories(_folder.Path).Where(found => Path.GetFileName(found)[0] == '.').Order(StringComparer.Ordinal));
    }

    // As a killed process does: its lock is there, and nobody holds it.
    private string Leave(string name)
    {
        string folder = Directory.CreateDirectory(_folder.At(name)).FullName;
        Directory.CreateDirectory(Path.Combine(folder, "new_files", "0"));
        foreach (string file in (string[])[FolderLock.Name, "encoded", "new_files/0/0_0.jpg"]) File.WriteAllText(Path.Combine(folder, file), "half");
        return folder;
    }
}
