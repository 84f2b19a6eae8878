using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Mural.Cli.CommandLine;

/// <summary>A progress bar with steps a second and the time left.</summary>
internal static class ProgressDisplay
{
    /// <summary>Runs <paramref name="work"/>, which reports the number of steps that are done.</summary>
    internal static T Run<T>(TextWriter writer, string what, int steps, Func<Action<int>, T> work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new StepCountColumn(), new StepRateColumn(), new RemainingTimeColumn())
            .Start(progress =>
            {
                ProgressTask task = progress.AddTask(Markup.Escape(what), maxValue: steps);
                return work(done => task.Value = done);
            });
    }

    private sealed class StepCountColumn : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
            new Text($"{task.Value:0}/{task.MaxValue:0}");
    }

    private sealed class StepRateColumn : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            double rate = task.Value / Math.Max(task.ElapsedTime?.TotalSeconds ?? 0, 1e-9);
            return new Text(task.Value == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{rate:0.##} steps/s"));
        }
    }
}
