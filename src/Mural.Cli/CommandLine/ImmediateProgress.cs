namespace Mural.Cli.CommandLine;

/// <summary>Progress that is told on the thread that makes it, in order; <see cref="Progress{T}"/> would queue reports up and come late.</summary>
/// <param name="tell">Told of each report.</param>
internal sealed class ImmediateProgress<T>(Action<T> tell) : IProgress<T>
{
    public void Report(T value) => tell(value);
}
