namespace Mural.Cli.Machine;

/// <summary>Something that was chosen, and why.</summary>
internal sealed record Choice(string Chosen, string Reason);
