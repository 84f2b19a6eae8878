namespace Mural.Pipelines;

/// <summary>Lets one piece of work at a time use a pipeline's networks, on another thread than the caller's, and none once the pipeline was closed.</summary>
internal sealed class PipelineTurn
{
    private readonly SemaphoreSlim _turn = new(1);
    private bool _closed;

    /// <summary>Waits for its turn and runs.</summary>
    /// <param name="pipeline">What the exception names.</param>
    /// <param name="work">The work.</param>
    /// <param name="cancellationToken">Gives up before the work begins.</param>
    /// <exception cref="ObjectDisposedException">The pipeline was closed.</exception>
    internal async Task<T> RunAsync<T>(object pipeline, Func<T> work, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_closed, pipeline);
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_closed, pipeline);
            return await Task.Run(work, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Waits for what is going on, then frees what the pipeline holds; once, however often it is called.</summary>
    internal async ValueTask CloseAsync(Action free)
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        try
        {
            if (!_closed) free();
        }
        finally
        {
            _closed = true;
            _turn.Release();
        }
    }
}
