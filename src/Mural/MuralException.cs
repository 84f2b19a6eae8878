namespace Mural;

/// <summary>
/// A problem that the person at the keyboard can do something about: a wrong file, size or setting. The message is one sentence that
/// says what was found, what was expected and what to do; the command line prints it without a trace.
/// </summary>
public class MuralException : Exception
{
    /// <summary>Creates the exception.</summary>
    public MuralException(string message) : base(message) { }

    /// <summary>Creates the exception with its cause.</summary>
    public MuralException(string message, Exception? innerException) : base(message, innerException) { }
}
