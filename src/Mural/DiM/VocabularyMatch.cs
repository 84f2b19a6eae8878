namespace Mural.DiM;

/// <summary>What a <see cref="Vocabulary"/> found in a prompt.</summary>
/// <param name="Indices">Indices of the words found, each once, in the order of the prompt.</param>
/// <param name="Matched">The same words as the vocabulary writes them.</param>
/// <param name="Ignored">Words of the prompt that the vocabulary lacks, in the order of the prompt.</param>
public sealed record VocabularyMatch(IReadOnlyList<int> Indices, IReadOnlyList<string> Matched, IReadOnlyList<string> Ignored);
