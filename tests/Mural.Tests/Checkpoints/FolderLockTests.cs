using Mural.Checkpoints;

namespace Mural.Tests.Checkpoints;

public sealed class FolderLockTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void OneAtATimeHoldsAFolder()
    {
        string folder = _folder.At("new");
        using (Take(folder)) Assert.Equal("It is taken.", Assert.Throws<MuralException>(() => Take(folder)).Message);
        Take(folder).Dispose();
    }

    [Fact]
    public void WhatCannotBeWrittenIsNotSaidToBeTaken()
    {
        // The lock would have to be created in a folder that is not there.
        if (OperatingSystem.IsWindows()) return;
        File.CreateSymbolicLink(_folder.At(FolderLock.Name), _folder.At("nowhere/lock"));
        Assert.StartsWith($"The folder '{_folder.Path}' cannot be written: ", Assert.Throws<MuralException>(() => Take(_folder.Path)).Message, StringComparison.Ordinal);
        File.WriteAllText(_folder.At("file"), "");
        Assert.StartsWith(
            $"The folder '{_folder.At("file")}' cannot be created: ", Assert.Throws<MuralException>(() => Take(_folder.At("file"))).Message, StringComparison.Ordinal);
    }

    private static FolderLock Take(string folder) => FolderLock.Take(folder, "The folder", "It is taken.");
}
