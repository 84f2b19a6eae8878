using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// Shares items of work among libtorch's number of threads. Where libtorch runs on GNU OpenMP the work runs on OpenMP's own threads: a second pool would
/// fight with them for the processor, because both spin between their regions.
/// </summary>
internal static unsafe class Workers
{
    private static readonly OpenMp? Pool = OpenMp.Find();

    /// <summary>Number of threads that <see cref="Run"/> uses at most.</summary>
    internal static int Count => Math.Max(1, get_num_threads());

    /// <summary>Calls <paramref name="body"/> with every item from 0 to <paramref name="count"/> - 1, in any order, and returns when all are done.</summary>
    /// <param name="count">Number of items.</param>
    /// <param name="body">Gets the item and the worker's number, which is below <see cref="Count"/>: no two items run on one worker at a time.</param>
    internal static void Run(int count, Action<int, int> body)
    {
        int workers = Math.Min(Count, count);
        if (workers <= 1)
        {
            for (int item = 0; item < count; item++) body(item, 0);
            return;
        }

        var job = new Job(count, body);
        if (Pool is OpenMp pool) pool.Run(job, workers);
        else Parallel.For(0, workers, new ParallelOptions { MaxDegreeOfParallelism = workers }, job.Work);
        job.Finish();
    }

    private sealed class Job(int count, Action<int, int> body)
    {
        private int _next = -1;
        private Exception? _failure;

        internal void Work(int worker)
        {
            try
            {
                for (int item = Interlocked.Increment(ref _next); item < count; item = Interlocked.Increment(ref _next)) body(item, worker);
            }
            catch (Exception exception)
            {
                // Must not cross the native frames of OpenMP: the caller throws it.
                _failure = exception;
                Interlocked.Exchange(ref _next, count);
            }
        }

        internal void Finish()
        {
            if (_failure is not null) ExceptionDispatchInfo.Throw(_failure);
        }
    }

    /// <summary>The OpenMP library that libtorch has loaded.</summary>
    private sealed class OpenMp
    {
        private readonly delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<nint, void>, nint, uint, uint, void> _parallel;
        private readonly delegate* unmanaged[Cdecl]<int> _threadNumber;

        private OpenMp(nint library)
        {
            _parallel = (delegate* unmanaged[Cdecl]<delegate* unmanaged[Cdecl]<nint, void>, nint, uint, uint, void>)NativeLibrary.GetExport(library, "GOMP_parallel");
            _threadNumber = (delegate* unmanaged[Cdecl]<int>)NativeLibrary.GetExport(library, "omp_get_thread_num");
        }

        /// <summary>Null where libtorch brings no GNU OpenMP.</summary>
        internal static OpenMp? Find()
        {
            if (LoadedLibraries.Find("libgomp") is not nint library) return null;
            return NativeLibrary.TryGetExport(library, "GOMP_parallel", out _) && NativeLibrary.TryGetExport(library, "omp_get_thread_num", out _)
                ? new OpenMp(library) : null;
        }

        internal void Run(Job job, int workers)
        {
            GCHandle handle = GCHandle.Alloc((this, job));
            try
            {
                _parallel(&Enter, GCHandle.ToIntPtr(handle), (uint)workers, 0);
            }
            finally
            {
                handle.Free();
            }
        }

        [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
        private static void Enter(nint argument)
        {
            (OpenMp pool, Job job) = ((OpenMp, Job))GCHandle.FromIntPtr(argument).Target!;
            job.Work(pool._threadNumber());
        }
    }
}
