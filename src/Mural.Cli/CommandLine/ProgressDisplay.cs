using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Mural.Cli.CommandLine;

/// <summary>Progress bars with steps a second and the time left.</summary>
internal static class ProgressDisplay
{
    /// <summary>Runs <paramref name="work"/>, which reports how far it is.</summary>
    internal static T Run<T>(TextWriter writer, Func<Action<ProgressReport>, T> work) => Bars(writer).Start<T>(progress => work(ShownIn(progress)));

    /// <summary>The same for work that is awaited.</summary>
    internal static Task<T> RunAsync<T>(TextWriter writer, Func<Action<ProgressReport>, Task<T>> work) => Bars(writer).StartAsync<T>(progress => work(ShownIn(progress)));

    private static Progress Bars(TextWriter writer) => AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) })
        .Progress()
        .AutoClear(true)
        .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new StepColumn(), new RemainingTimeColumn());

    private static Action<ProgressReport> ShownIn(ProgressContext progress)
    {
        var tasks = new Dictionary<string, ProgressTask>();
        return report =>
        {
            if (!tasks.TryGetValue(report.What, out ProgressTask? task)) task = tasks[report.What] = progress.AddTask(Markup.Escape(report.What));
            task.IsIndeterminate = report.Total is null;
            task.MaxValue = report.Total ?? 1;
            task.Value = report.Done;
            task.Description = Markup.Escape($"{report.What}  {report.Note}".TrimEnd());
        };
    }

    private sealed class StepColumn : ProgressColumn
    {
        public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime)
        {
            double rate = task.Value / Math.Max(task.ElapsedTime?.TotalSeconds ?? 0, 1e-9);
            return new Spectre.Console.Text(string.Create(CultureInfo.InvariantCulture, $"{task.Value:0}/{task.MaxValue:0}  {rate:0.##} steps/s"));
        }
    }
}
