namespace Mural.Tests.Checkpoints;

/// <summary>A folder of a test's own, removed with all it holds.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal string Path { get; } = Directory.CreateTempSubdirectory("mural-tests-").FullName;

    internal string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The names of the files in it.</summary>
    internal string[] Names => [.. Directory.GetFiles(Path).Select(file => System.IO.Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
