namespace Mural.Imaging;

/// <summary>What a parser found wrong, as a clause without the file's name; the reader that knows the name makes a sentence of it.</summary>
internal sealed class DamagedFileException(string finding, Exception? cause = null) : Exception(finding, cause);
