namespace Mural.Checkpoints;

/// <summary>Reads the small texts that lie in and beside models, such as configurations.</summary>
internal static class TextFile
{
    /// <summary>The text of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="owner">What it belongs to, where nobody named it and the message has to say so; else null.</param>
    /// <exception cref="MuralException">It cannot be read.</exception>
    internal static string Read(string path, string? owner = null)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException(
                $"{path}{(owner is null ? "" : $", which belongs to {owner},")} cannot be read ({error.Message.TrimEnd('.')}); check the file and its permissions.", error);
        }
    }
}
