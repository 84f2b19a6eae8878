using System.CommandLine;
using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.Runtime;
using Mural.Training;

namespace Mural.Cli.Commands;

/// <summary>A kind of training; the settings file must be of the same kind.</summary>
internal sealed class TrainPartCommand : SynchronousMuralCommand
{
    private readonly Argument<string> _settings = new("settings") { Description = "The settings file; see docs/training.md.", HelpName = "CONFIG.json" };
    private readonly Option<int?> _threads = new RunOptions().Threads;

    private readonly string _verb, _example;

    /// <param name="verb">The command that this one is a part of.</param>
    /// <param name="kind">The kind of settings.</param>
    /// <param name="description">What it does.</param>
    /// <param name="example">A settings file for the help's example.</param>
    internal TrainPartCommand(string verb, string kind, string description, string example) : base(kind, description)
    {
        (_verb, _example) = (verb, example);
        Add(_settings);
        Add(_threads);
    }

    internal override IReadOnlyList<string> Examples => [$"{_verb} {Name} {_example}"];

    private protected override object? Run(CommandContext context)
    {
        string path = context.Value(_settings)!;
        TrainingConfig settings = TrainingConfig.Read(path);
        if (settings.Kind != Name)
            throw new MuralException($"{path} has the settings of a training of kind {settings.Kind}: "
                + $"run mural {(settings.Kind == "linfusion" ? "distill" : "train")} {settings.Kind}, or give settings of kind {Name}.");
        RuntimePlan.Choose(new RuntimeOptions { Threads = context.Value(_threads) }).Apply();

        TrainingOutcome outcome = context.WithProgress(report => Trainer.Run(path, progress => Tell(context, report, progress), context.Cancellation));
        string loss = outcome.Loss is double mean ? string.Create(CultureInfo.InvariantCulture, $", loss {mean:0.#####}") : "";
        context.Say($"{(outcome.Finished ? "finished" : "stopped")} after {outcome.Step} steps{loss}");
        context.Say(outcome.Finished ? $"the model is in {outcome.ResultFolder}" : "the same command goes on from here");
        // A script of several trainings must not go on with the next one.
        if (!outcome.Finished) context.ExitCode = ExitCode.Cancelled;
        return outcome;
    }

    private static void Tell(CommandContext context, Action<ProgressReport> report, TrainingProgress progress)
    {
        if (progress.Message is { } message)
        {
            context.Say(message);
            return;
        }

        // A run that ends after a time has no known number of steps; its share of the time tells.
        double? total = progress.Steps is long steps ? steps : progress.Fraction > 0 ? progress.Step / progress.Fraction : null;
        string note = string.Create(CultureInfo.InvariantCulture, $"loss {progress.Loss:0.####}, {progress.SamplesPerSecond:0.#} pictures/s");
        report(new ProgressReport("training", progress.Step, total, note));
    }
}
