namespace Mural.Cli.CommandLine;

/// <summary>How far some work is.</summary>
/// <param name="What">The work; another one gets a bar of its own.</param>
/// <param name="Done">Steps that are done.</param>
/// <param name="Total">Steps in all, or null while nobody knows.</param>
/// <param name="Note">What else to show beside it.</param>
internal readonly record struct ProgressReport(string What, double Done, double? Total, string Note = "");
