namespace Mural.Cli.Bench;

/// <summary>Several things to be disposed as one.</summary>
internal sealed class Held(params IDisposable[] things) : IDisposable
{
    public void Dispose()
    {
        foreach (IDisposable thing in things) thing.Dispose();
    }
}
