using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.Text;

/// <summary>A folder as transformers keeps a CLIP tokenizer in.</summary>
internal static class ClipTokenizerFolder
{
    private const string ConfigName = "tokenizer_config.json", SpecialName = "special_tokens_map.json", AddedName = "added_tokens.json", WindowKey = "model_max_length";

    /// <summary>
    /// Reads vocabulary, pad token, length of a window and added words. <c>special_tokens_map.json</c> decides about the pad token where <c>tokenizer_config.json</c>
    /// differs, as it does in SD 2.1 (spec 1.2).
    /// </summary>
    /// <exception cref="MuralException">A file is missing or malformed.</exception>
    internal static ClipTokenizer Read(string folder)
    {
        ClipVocabulary vocabulary = ClipVocabularyFiles.Read(folder);
        JsonObject? config = Optional(folder, ConfigName), special = Optional(folder, SpecialName);
        var tokenizer = new ClipTokenizer(vocabulary, PadToken(special) ?? PadToken(config) ?? ClipVocabulary.EndToken, WindowLength(config));
        string added = Path.Combine(folder, AddedName);
        if (!File.Exists(added)) return tokenizer;
        // Words that were trained into the model itself.
        foreach ((string word, int id) in ClipVocabularyFiles.Ids(ClipVocabularyFiles.Json(added), added))
            if (!vocabulary.Contains(word)) tokenizer.AddWord(word, id, 1, insideWords: true);
        return tokenizer;
    }

    /// <summary>Writes a folder that <see cref="Read"/> and transformers read.</summary>
    /// <param name="vocabulary">The vocabulary.</param>
    /// <param name="padToken">What fills a window up.</param>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="windowLength">Tokens that the encoder sees at once.</param>
    /// <exception cref="MuralException">A file cannot be written.</exception>
    internal static void Write(ClipVocabulary vocabulary, string padToken, string folder, int windowLength = ClipTokenizer.ClipWindow)
    {
        ClipVocabularyFiles.Write(vocabulary, folder);
        JsonObject Tokens() => new()
        {
            ["bos_token"] = ClipVocabulary.BeginToken,
            ["eos_token"] = ClipVocabulary.EndToken,
            ["pad_token"] = padToken,
            ["unk_token"] = ClipVocabulary.EndToken,
        };
        AtomicFile.WriteText(Path.Combine(folder, SpecialName), Tokens().ToJsonString(ConfigWriter.Indented) + "\n");
        JsonObject config = Tokens();
        config["add_prefix_space"] = false;
        config["do_lower_case"] = true;
        config["errors"] = "replace";
        config[WindowKey] = windowLength;
        config["tokenizer_class"] = "CLIPTokenizer";
        AtomicFile.WriteText(Path.Combine(folder, ConfigName), config.ToJsonString(ConfigWriter.Indented) + "\n");
    }

    // Files of tokenizers that were never told a length name one that no encoder has.
    private static int WindowLength(JsonObject? config) =>
        config?[WindowKey] is JsonValue value && value.TryGetValue(out int length) && length is >= ClipTokenizer.ShortestWindow and <= ClipTokenizer.ClipWindow
            ? length
            : ClipTokenizer.ClipWindow;

    private static JsonObject? Optional(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? ClipVocabularyFiles.Json(path) : null;
    }

    // A token is written as a text, or as an object that holds it.
    private static string? PadToken(JsonObject? json) => json?["pad_token"] switch
    {
        JsonObject token when token["content"] is JsonValue content && content.TryGetValue(out string? text) => text,
        JsonValue value when value.TryGetValue(out string? text) => text,
        _ => null,
    };
}
