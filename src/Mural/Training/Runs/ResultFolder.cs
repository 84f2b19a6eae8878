using Mural.Checkpoints;

namespace Mural.Training;

/// <summary>Parts of a result that other folders hold already.</summary>
internal static class ResultFolder
{
    /// <summary>Copies the files of a folder, not those below it; each appears whole.</summary>
    internal static void CopyFiles(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.EnumerateFiles(source))
        {
            using FileStream stream = File.OpenRead(file);
            AtomicFile.Write(Path.Combine(target, Path.GetFileName(file)), stream.Length, stream.CopyTo);
        }
    }
}
