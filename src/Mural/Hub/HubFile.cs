namespace Mural.Hub;

/// <summary>A file of a repository on a hub.</summary>
/// <param name="Path">Its path in the repository, with <c>/</c> between folders.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Sha256">Hash of the content, known of large files.</param>
/// <param name="GitHash">Git's hash of the content (SHA-1 over a header and the content), known of small files.</param>
public sealed record HubFile(string Path, long Size, string? Sha256, string? GitHash)
{
    /// <summary>The folder it lies in, empty for the repository's own.</summary>
    internal string Folder => Path.LastIndexOf('/') is >= 0 and var slash ? Path[..slash] : "";

    /// <summary>The name in its folder.</summary>
    internal string Name => Path[(Path.LastIndexOf('/') + 1)..];
}
