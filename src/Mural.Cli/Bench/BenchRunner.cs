using System.Globalization;
using Mural.Cli.Machine;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>
/// Measures a benchmark's rows: in every round ours, then plain libtorch in a process of its own, so that what else the machine does
/// hits both alike. The machine's own rate is measured in every round for the same reason, and a row's share is of its own rounds' rate.
/// </summary>
internal sealed class BenchRunner(string benchmark, IReadOnlyList<BenchRow> rows, BenchOptions options, CancellationToken cancellation)
{
    private static readonly TimeSpan RateTime = TimeSpan.FromMilliseconds(400);

    /// <summary>
    /// Runs every row; <paramref name="progress"/> is told the number of finished rounds, of <see cref="Steps"/>, and <paramref name="measured"/> each row when it is through, so that a run that is stopped has shown what it had.
    /// </summary>
    internal BenchResult Run(Action<int> progress, Action<BenchFigure> measured)
    {
        using var shared = new Held([.. rows.Select(row => row.Shared).OfType<IDisposable>().Distinct()]);
        List<MachineRates> all = [];
        List<BenchFigure> figures = [];
        var known = new Dictionary<string, (double Ours, double? Theirs)>();
        for (int index = 0; index < rows.Count; index++)
        {
            BenchRow row = rows[index];
            BenchWork work = row.Prepare(KernelSet.Mural);
            using IDisposable held = work.Held;
            BenchWork? baseline = row.Baseline?.Invoke();
            using IDisposable? alsoHeld = baseline?.Held;
            using PlainProcess? plain = row.Compared && options.Compared && baseline is null ? PlainProcess.Start(benchmark, row.Name, options.Threads, cancellation) : null;
            List<MachineRates> rates = [MachineRates.Measure(CPU, RateTime, cancellation)];
            List<double> ours = BenchTimer.Warm(work), theirs = baseline is null ? [] : BenchTimer.Warm(baseline);
            for (int round = 0; round < options.Rounds; round++)
            {
                if (round > 0) rates.Add(MachineRates.Measure(CPU, RateTime, cancellation));
                if (ours.Count <= round) ours.AddRange(BenchTimer.Round(work, cancellation));
                if (baseline is not null && theirs.Count <= round) theirs.AddRange(BenchTimer.Round(baseline, cancellation));
                if (plain is not null) theirs.AddRange(plain.Round());
                progress(index * options.Rounds + round + 1);
            }
            known.Add(row.Name, (Statistics.Median(ours), theirs.Count > 0 ? Statistics.Median(theirs) : null));
            string? note = Join(work.Found?.Invoke() is { Length: > 0 } found ? found : work.Note, plain?.Note);
            string[] notes = [.. new[] { OverOtherRow(row, known), note }.OfType<string>()];
            BenchFigure figure = Figure(row, ours, theirs, notes.Length > 0 ? string.Join("; ", notes) : null, MachineRates.Median(rates));
            figures.Add(figure);
            measured(figure);
            all.AddRange(rates);
            Allocator.Trim();
        }
        return new BenchResult(Describe(MachineRates.Median(all)), figures);
    }

    /// <summary>Rounds over all rows.</summary>
    internal int Steps => options.Rounds * rows.Count;

    private static BenchFigure Figure(BenchRow row, List<double> ours, List<double> theirs, string? note, MachineRates rates)
    {
        double milliseconds = Statistics.Median(ours);
        return new BenchFigure(
            row.Name,
            row.About,
            Math.Round(milliseconds, 3),
            row.Operations is { } operations ? Math.Round(operations / (milliseconds * 1e6) / rates.Best(row.Type), 4) : null,
            theirs.Count > 0 ? Math.Round(Statistics.Median(theirs) / milliseconds, 3) : null,
            row.Samples is { } samples ? Math.Round(samples / milliseconds * 1000, 2) : null,
            note);
    }

    private static string? OverOtherRow(BenchRow row, Dictionary<string, (double Ours, double? Theirs)> known)
    {
        if (row.Against is not var (name, times)) return null;
        if (!known.TryGetValue(name, out (double Ours, double? Theirs) other)) return $"to be compared with {name}, which was not measured";
        (double ours, double? theirs) = known[row.Name];
        string plain = theirs is { } milliseconds && other.Theirs is { } others
            ? string.Create(CultureInfo.InvariantCulture, $", with libtorch {times * others / milliseconds:0.00}x")
            : "";
        return string.Create(CultureInfo.InvariantCulture, $"{times * other.Ours / ours:0.00}x over {name}{plain}");
    }

    private static BenchMachine Describe(MachineRates rates) =>
        new(ProcessorFeatures.Current.Name, [.. ProcessorFeatures.Current.Names], get_num_threads(), __version__, rates);

    private static string? Join(string? ours, string? theirs) => (ours, theirs) switch
    {
        (null, null) => null,
        (null, { } note) => $"libtorch: {note}",
        ({ } note, null) => note,
        var (first, second) => $"{first}; libtorch: {second}",
    };
}
