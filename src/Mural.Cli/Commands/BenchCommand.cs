using System.CommandLine;
using System.Globalization;
using Mural.Cli.Bench;
using Mural.Cli.CommandLine;
using Mural.Runtime;

namespace Mural.Cli.Commands;

/// <summary><c>mural bench</c>: repeats a performance figure of the documentation on this machine.</summary>
internal sealed class BenchCommand : SynchronousMuralCommand
{
    private readonly Argument<string> _name = new("name") { Description = $"{string.Join(", ", Benchmark.All.Select(b => b.Name))}.", HelpName = "NAME" };
    private readonly Option<int?> _rounds = new("--rounds") { Description = "Rounds over which medians are taken.", HelpName = "N", DefaultValueFactory = _ => 5 };
    private readonly Option<string[]> _rows = new("--row") { Description = "Only this row; may be given several times (default: all).", HelpName = "ROW" };
    private readonly Option<bool> _alone = new("--alone") { Description = "Leave out the comparison with libtorch's own operators, which takes as long again and as much memory." };
    private readonly Option<int?> _threads = new RunOptions().Threads;
    private readonly Option<string?> _serve = new("--serve") { Hidden = true };

    internal BenchCommand() : base("bench", "Repeat a performance figure: time, share of the machine's own matrix-product rate, speedup over plain libtorch operators.")
    {
        Add(_name);
        Add(_rows);
        Add(_alone);
        Add(_rounds);
        Add(_threads);
        Add(_serve);
        _rounds.TakeAtLeast(1);
    }

    internal override IReadOnlyList<string> Examples => [.. Benchmark.All.Select(b => $"bench {b.Name}"), $"bench {Benchmark.All[0].Name} --rounds 9 --json"];

    private protected override object? Run(CommandContext context)
    {
        string name = context.Value(_name)!;
        Benchmark benchmark = Benchmark.All.FirstOrDefault(b => b.Name == name)
            ?? throw new MuralException($"There is no benchmark {name}: the names are {string.Join(", ", Benchmark.All.Select(b => b.Name))}.");
        IReadOnlyList<BenchRow> rows = benchmark.Rows();
        MuralException Unknown(string row, Option option) => new(
            $"The benchmark {name} has no row {row}: {option.Name} takes {string.Join(", ", rows.Select(known => known.Name))}.");
        if (context.Value(_rows) is { Length: > 0 } only)
        {
            if (only.Except(rows.Select(row => row.Name)).FirstOrDefault() is { } unknown) throw Unknown(unknown, _rows);
            rows = [.. rows.Where(row => only.Contains(row.Name))];
        }
        int? threads = context.Value(_threads);
        RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Threads = threads }).Apply();

        if (context.Value(_serve) is { } served)
        {
            PlainProcess.Serve(rows.FirstOrDefault(row => row.Name == served) ?? throw Unknown(served, _serve), Console.In, Console.Out, context.Cancellation);
            return null;
        }

        var runner = new BenchRunner(name, rows, new BenchOptions(context.Value(_rounds)!.Value, threads, !context.Value(_alone)), context.Cancellation);
        context.Say($"{"",-32}{"ms",12}{"share",10}{"speedup",10}");
        BenchResult result = context.WithProgress(report => runner.Run(round => report(new ProgressReport(name, round, runner.Steps)), figure => Say(context, figure)));
        context.Say();
        context.Say($"{result.Machine.Processor}, {result.Machine.Threads} threads, libtorch {result.Machine.Libtorch}; 2048x2048 products in GFLOP/s: {Rates(result)}");
        return result;
    }

    private static void Say(CommandContext context, BenchFigure figure)
    {
        context.Say(string.Create(CultureInfo.InvariantCulture,
            $"{figure.Name,-32}{figure.Milliseconds,12:0.00}{figure.Share,10:P0}{(figure.Speedup is { } times ? $"{times:0.0}x" : ""),10}"));
        if (figure.SamplesPerSecond is { } speed) context.Say(string.Create(CultureInfo.InvariantCulture, $"  {speed:0.0} pictures a second"));
        context.Say($"  {figure.About}{(figure.Note is { } note ? $" ({note})" : "")}");
    }

    private static string Rates(BenchResult result) => string.Create(
        CultureInfo.InvariantCulture,
        $"f32 {result.Machine.Gigaflops.Single:0} ({result.Machine.Gigaflops.PackedSingle:0} packed), "
            + $"bf16 {result.Machine.Gigaflops.BFloat:0} ({result.Machine.Gigaflops.PackedBFloat:0} packed)");
}
