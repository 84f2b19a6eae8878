namespace Mural.Tests;

/// <summary>A folder of a test's own, removed with all it holds.</summary>
/// <param name="inMemory">Whether it should lie in memory where the system has a place for that: for thousands of small files.</param>
internal sealed class TemporaryFolder(bool inMemory = false) : IDisposable
{
    private const string Memory = "/dev/shm";

    internal string Path { get; } = inMemory && Directory.Exists(Memory)
        ? Directory.CreateDirectory($"{Memory}/mural-tests-{Guid.NewGuid():N}").FullName
        : Directory.CreateTempSubdirectory("mural-tests-").FullName;

    internal string At(string name) => System.IO.Path.Combine(Path, name);

    internal string Write(string name, byte[] content)
    {
        File.WriteAllBytes(At(name), content);
        return At(name);
    }

    /// <summary>The names of the files in it and below it.</summary>
    internal string[] Names =>
        [.. Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories).Select(file => System.IO.Path.GetRelativePath(Path, file)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
