namespace Mural.Cli.CommandLine;

/// <summary>What the process tells the shell.</summary>
internal static class ExitCode
{
    internal const int Success = 0;

    /// <summary>The work could not be done: the sentence on stderr says why.</summary>
    internal const int Problem = 1;

    /// <summary>The command line itself was wrong.</summary>
    internal const int Usage = 2;

    /// <summary>Stopped by Ctrl-C: 128 + SIGINT.</summary>
    internal const int Cancelled = 130;
}
