using System.Runtime.InteropServices;

namespace Mural.Cli.CommandLine;

/// <summary>Says in one sentence what an exception means to the person at the keyboard.</summary>
internal static class Problem
{
    private const int DiskFullOnUnix = 28, DiskFullOnWindows = unchecked((int)0x80070070), HandleDiskFullOnWindows = unchecked((int)0x80070027);

    internal static string Describe(Exception exception) => OneLine(exception switch
    {
        MuralException => exception.Message,
        FileNotFoundException { FileName: { Length: > 0 } file } => $"There is no file {file}.",
        DirectoryNotFoundException => $"{exception.Message.TrimEnd('.')}: create the folder first or choose another.",
        UnauthorizedAccessException => $"{exception.Message.TrimEnd('.')}: choose a place that you may read and write.",
        IOException { HResult: DiskFullOnUnix or DiskFullOnWindows or HandleDiskFullOnWindows } =>
            $"The disk is full ({exception.Message.TrimEnd('.')}): free some space or write elsewhere.",
        IOException => exception.Message,
        OutOfMemoryException => TooLarge,
        ExternalException when IsOutOfMemory(exception.Message) => TooLarge,
        TypeInitializationException { InnerException: { } inner } => Describe(inner),
        // Several workers that met the same problem.
        AggregateException several when several.Flatten().InnerExceptions is [{ } inner, ..] => Describe(inner),
        DllNotFoundException => $"A native library cannot be loaded: {exception.Message}",
        _ => $"Something unexpected went wrong ({exception.GetType().Name}: {FirstLine(exception.Message)}); run again with --verbose for the trace.",
    });

    private const string TooLarge = "There is not enough memory for this: choose a smaller size or batch, or close other programs.";

    private static bool IsOutOfMemory(string message) =>
        message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
        || message.Contains("not enough memory", StringComparison.OrdinalIgnoreCase)
        || message.Contains("can't allocate memory", StringComparison.OrdinalIgnoreCase);

    private static string FirstLine(string text) => text.Split('\n', 2)[0].Trim();

    private static string OneLine(string text) => string.Join(' ', text.Split((char[])['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
