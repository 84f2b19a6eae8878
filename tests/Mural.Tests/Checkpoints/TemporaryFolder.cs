namespace Mural.Tests.Checkpoints;

/// <summary>A folder of a test's own, removed with all it holds.</summary>
/// <param name="inMemory">Whether it should lie in memory where the system has a place for that: for thousands of small files.</param>
internal sealed class TemporaryFolder(bool inMemory = false) : IDisposable
{
    private const string Memory = "/dev/shm";

    internal string Path { get; } = inMemory && Directory.Exists(Memory)
        ? Directory.CreateDirectory($"{Memory}/mural-tests-{Guid.NewGuid():N}").FullName
        : Directory.CreateTempSubdirectory("mural-tests-").FullName;

    internal string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The names of the files in it.</summary>
    internal string[] Names => [.. Directory.GetFiles(Path).Select(file => System.IO.Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
