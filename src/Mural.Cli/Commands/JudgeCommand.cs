using System.CommandLine;
using System.Globalization;
using Mural.Cli.CommandLine;
using Mural.Evaluation;
using Mural.Runtime;

namespace Mural.Cli.Commands;

/// <summary><c>mural judge</c>: how often the captions of pictures are found, and how far the pictures are from real ones.</summary>
internal sealed class JudgeCommand : SynchronousMuralCommand
{
    private readonly Argument<string> _judge = new("judge") { Description = "Folder of the judge, as mural train judge writes it.", HelpName = "JUDGE" };
    private readonly Option<string> _pictures = new("--pictures")
    {
        Description = "Pictures to judge: a list as for training, or a folder of pictures that carry their prompts.",
        HelpName = "LIST|FOLDER",
        Required = true
    };

    private readonly Option<string> _real = new("--real")
    {
        Description = "Real pictures to compare with, whose captions are the candidates.",
        HelpName = "LIST|FOLDER",
        Required = true
    };

    private readonly Option<string> _split = new("--split") { Description = "Which of the pictures of a list to judge.", DefaultValueFactory = _ => "all" };
    private readonly Option<string> _realSplit = new("--real-split") { Description = "Which of the real pictures to compare with.", DefaultValueFactory = _ => "train" };
    private readonly Option<int?> _candidates = new("--candidates")
    {
        Description = "Captions among which a picture's own has to be found.",
        HelpName = "N",
        DefaultValueFactory = _ => 100
    };

    private readonly Option<int?> _threads;
    private readonly Option<string?> _device;

    internal JudgeCommand() : base("judge", "Say how often the captions of pictures are found among others, and how far the pictures are from real ones.")
    {
        var run = new RunOptions();
        (_threads, _device) = (run.Threads, run.Device);
        Add(_judge);
        foreach (Option option in (Option[])[_pictures, _real, _split, _realSplit, _candidates, _threads, _device]) Add(option);
        string[] splits = [.. Enum.GetNames<PictureSplit>().Select(name => name.ToLowerInvariant())];
        _split.TakeOneOf(splits);
        _realSplit.TakeOneOf(splits);
        _candidates.TakeAtLeast(2);
    }

    internal override IReadOnlyList<string> Examples =>
    [
        "judge models/emoji/judge --pictures pictures/ --real data/emoji/128.jsonl",
        "judge models/emoji/judge --pictures data/emoji/128.jsonl --split test --real data/emoji/128.jsonl --json",
    ];

    private protected override object? Run(CommandContext context)
    {
        RuntimePlan plan = RuntimePlan.Choose(new RuntimeOptions { Threads = context.Value(_threads), Device = context.Value(_device) });
        plan.Apply();
        using Judge judge = Judge.Open(context.Value(_judge)!, plan.Device);
        JudgedPictures pictures = JudgedPictures.Read(context.Value(_pictures)!, judge.Vocabulary), real = JudgedPictures.Read(context.Value(_real)!, judge.Vocabulary);
        Judgement judgement = context.WithProgress(report => judge.Run(
            pictures, Split(context, _split), real, Split(context, _realSplit), context.Value(_candidates)!.Value,
            (done, all) => report(new ProgressReport("looking", done, all)), context.Cancellation));
        foreach (string warning in judgement.Warnings) context.Warn(warning);
        context.Say(string.Create(CultureInfo.InvariantCulture,
            $"{judgement.Pictures} pictures: caption found among {judgement.Candidates} for {judgement.Found:P1} (standard error {judgement.StandardError:P1}), "
                + $"mean rank {judgement.MeanRank:0.00}"));
        if (judgement.Distance is double distance)
            context.Say(string.Create(CultureInfo.InvariantCulture, $"distance to {judgement.RealPictures} real pictures: {distance:0.0000} over {judgement.Features} features"));
        return judgement;
    }

    private static PictureSplit Split(CommandContext context, Option<string> option) => Enum.Parse<PictureSplit>(context.Value(option)!, ignoreCase: true);
}
