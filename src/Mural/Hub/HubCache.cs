namespace Mural.Hub;

/// <summary>
/// The cache in which the hub's own tools keep repositories: <c>models--ORGANISATION--NAME</c>, with a folder of files for each commit in <c>snapshots</c>, and in <c>refs</c> the
/// commits that branches are at.
/// </summary>
internal static class HubCache
{
    /// <summary>The folder with the files of a repository that lies in the cache: those of its main branch, or the only ones; null for a folder of another kind.</summary>
    /// <param name="folder">The repository's folder.</param>
    internal static string? Snapshot(string folder)
    {
        string snapshots = Path.Combine(folder, "snapshots"), main = Path.Combine(folder, "refs", "main");
        if (!Directory.Exists(snapshots)) return null;
        try
        {
            string? commit = File.Exists(main) ? Path.Combine(snapshots, File.ReadAllText(main).Trim()) : null;
            if (commit is not null && Directory.Exists(commit)) return commit;
            return Directory.GetDirectories(snapshots) is [var only] ? only : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
