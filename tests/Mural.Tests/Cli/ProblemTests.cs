using System.Runtime.InteropServices;
using Mural.Cli.CommandLine;

namespace Mural.Tests.Cli;

public class ProblemTests
{
    private sealed class NativeException(string message) : ExternalException(message);

    public static TheoryData<Exception, string> Exceptions => new()
    {
        { new MuralException("The size 100 is not a multiple of 16: choose 96 or 112."), "The size 100 is not a multiple of 16: choose 96 or 112." },
        { new FileNotFoundException("Could not find", "a.png"), "There is no file a.png." },
        { new IOException("No space left on device : '/x'", 28), "The disk is full (No space left on device : '/x'): free some space or write elsewhere." },
        { new UnauthorizedAccessException("Access to the path '/x' is denied."), "Access to the path '/x' is denied: choose a place that you may read and write." },
        { new NativeException("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), "There is not enough memory for this" },
        { new TypeInitializationException("X", new MuralException("Install it.")), "Install it." },
        { new InvalidOperationException("first\nsecond"), "InvalidOperationException: first)" },
    };

    [Theory]
    [MemberData(nameof(Exceptions))]
    public void EveryExceptionBecomesOneLine(Exception exception, string expected)
    {
        string sentence = Problem.Describe(exception);
        Assert.Contains(expected, sentence, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', sentence);
    }
}
