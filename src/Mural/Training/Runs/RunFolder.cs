using Mural.Checkpoints;

namespace Mural.Training;

/// <summary>The folder of a training run, held by one process at a time.</summary>
internal sealed class RunFolder : IDisposable
{
    private readonly FolderLock _lock;

    private RunFolder(string path, FolderLock held)
    {
        Path = path;
        _lock = held;
    }

    internal string Path { get; }

    internal string Checkpoints => System.IO.Path.Combine(Path, "checkpoints");

    internal string Result => System.IO.Path.Combine(Path, "result");

    internal string Sheets => System.IO.Path.Combine(Path, "sheets");

    internal string Log => System.IO.Path.Combine(Path, "log.jsonl");

    internal string LossPlot => System.IO.Path.Combine(Path, "loss.png");

    /// <summary>Creates the folder where it is missing and takes it; a killed process does not keep it.</summary>
    /// <exception cref="MuralException">Another process trains into it, or it cannot be written.</exception>
    internal static RunFolder Take(string path)
    {
        var folder = new RunFolder(path, FolderLock.Take(path, "The run folder", $"Another process is training into '{path}'; wait for it, stop it, or choose another 'run'."));
        StagedFolder.RemoveLeftovers(folder.Result);
        return folder;
    }

    /// <summary>Keeps a copy of the settings that the run was last started with.</summary>
    internal void KeepSettings(string settings)
    {
        string copy = System.IO.Path.Combine(Path, "settings.json");
        if (settings.Length > 0 && System.IO.Path.GetFullPath(settings) != copy) File.Copy(settings, copy, overwrite: true);
    }

    public void Dispose() => _lock.Dispose();
}
