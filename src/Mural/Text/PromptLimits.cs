namespace Mural.Text;

/// <summary>What a prompt may ask for.</summary>
internal static class PromptLimits
{
    /// <summary>Characters of a prompt.</summary>
    internal const int Characters = 65_536;

    /// <summary>Brackets that are open at once.</summary>
    internal const int OpenBrackets = 200;

    /// <summary>Windows, each of which is a run of the text encoder and as many more positions for the denoiser to attend to; of CLIP 77.</summary>
    internal const int Windows = 64;

    /// <exception cref="MuralException">The prompt is too long.</exception>
    internal static void Check(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        if (prompt.Length > Characters)
            throw new MuralException($"The prompt has {prompt.Length} characters, but at most {Characters} are read; shorten it.");
    }

    internal static MuralException TooManyBrackets() =>
        new($"The prompt has more than {OpenBrackets} brackets open at once; close them, or write \\( and \\[ for brackets that are meant as such.");

    internal static MuralException TooManyWindows(int windows, int tokens) =>
        new($"The prompt takes {windows} windows of {tokens} tokens, but at most {Windows} are encoded; shorten it.");
}
