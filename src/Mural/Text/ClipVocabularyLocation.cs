namespace Mural.Text;

/// <summary>Where a vocabulary is looked for when a single-file checkpoint brings none (docs/models.md).</summary>
internal static class ClipVocabularyLocation
{
    /// <summary>Environment variable with the folder of a vocabulary.</summary>
    internal const string Variable = "MURAL_CLIP_VOCAB";

    /// <summary>The folder of a person's own data that is looked into last.</summary>
    internal static string UserFolder => Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "mural", "clip");

    /// <summary>The first folder that holds a vocabulary: <c>tokenizer</c> beside the checkpoint, the checkpoint's own, the variable's, the person's own.</summary>
    /// <param name="checkpoint">Path of the checkpoint's file.</param>
    /// <exception cref="MuralException">None does.</exception>
    internal static string Find(string checkpoint) => Find(checkpoint, Environment.GetEnvironmentVariable(Variable), UserFolder);

    /// <summary><see cref="Find(string)"/>, or null where none does.</summary>
    internal static string? Search(string checkpoint) => Search(checkpoint, Environment.GetEnvironmentVariable(Variable), UserFolder);

    /// <inheritdoc cref="Find(string)"/>
    /// <param name="checkpoint">Path of the checkpoint's file.</param>
    /// <param name="named">The variable's folder, or null.</param>
    /// <param name="own">The person's own.</param>
    internal static string Find(string checkpoint, string? named, string own) => Search(checkpoint, named, own) ?? throw new MuralException(
        $"{checkpoint} brings no tokenizer and none was found beside it, in {Variable} or in {own}; "
            + $"copy vocab.json and merges.txt from the tokenizer folder of any Stable Diffusion model into one of these.");

    private static string? Search(string checkpoint, string? named, string own)
    {
        string beside = Path.GetDirectoryName(Path.GetFullPath(checkpoint)) ?? ".";
        string[] places = [Path.Combine(beside, "tokenizer"), beside, .. string.IsNullOrEmpty(named) ? (string[])[] : [named], own];
        return places.FirstOrDefault(ClipVocabularyFiles.AreIn);
    }
}
