namespace Mural.Cli.CommandLine;

/// <summary>Where a run writes: results to <paramref name="Out"/>, problems and progress to <paramref name="Error"/>.</summary>
/// <param name="Out">Results.</param>
/// <param name="Error">Problems and progress.</param>
/// <param name="Interactive">Whether a person watches: both streams are a terminal.</param>
internal sealed record Terminal(TextWriter Out, TextWriter Error, bool Interactive)
{
    internal static Terminal OfProcess() => new(Console.Out, Console.Error, !Console.IsOutputRedirected && !Console.IsErrorRedirected);
}
