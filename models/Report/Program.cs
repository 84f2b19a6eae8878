// Paints and tabulates what the models' cards and the gallery show. Figures come from `mural judge`, which looks at the folders that `paint` fills.
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Mural;
using Mural.Imaging;
using Mural.Report;
using Mural.Training.Data;

var model = new Argument<string>("model") { Description = "Folder of a DiM, or of a Stable Diffusion." };
var data = new Option<string>("--data") { Description = "Picture list that prepare.cs made.", DefaultValueFactory = _ => "data/emoji/128.jsonl" };
var output = new Option<string>("--output", "-o") { Description = "Folder, or file, for what is made.", Required = true };
var linFusion = new Option<string?>("--linfusion") { Description = "LinFusion checkpoint whose linear attention the model paints with." };
var steps = new Option<int?>("--steps") { Description = "Sampling steps (default: the model's)." };
var guidance = new Option<double?>("--guidance") { Description = "Guidance scale (default: the model's)." };

var only = new Option<string[]>("--only") { Description = "Sheets to draw (default: all).", AllowMultipleArgumentsPerToken = true };
only.AcceptOnlyFromAmong([.. Sheets.Names]);
var sheets = new Command("sheets", "Draw a card's sheets: samples, held-out combinations, nearest training pictures, larger pictures.") { model, data, output, linFusion, only };
sheets.SetAction(async (parsed, _) =>
{
    await using IPainter painter = await Painters.OpenAsync(parsed.GetValue(model)!, parsed.GetValue(linFusion));
    await new Sheets(painter, new Captions(parsed.GetValue(data)!), parsed.GetValue(output)!).DrawAsync(parsed.GetValue(only)!);
});

var split = new Option<string>("--split") { Description = "Whether captions come from training pictures or held-out ones.", DefaultValueFactory = _ => "train" };
split.AcceptOnlyFromAmong("train", "test");
var count = new Option<int>("--count") { Description = "Pictures to paint, of captions spread over the list.", DefaultValueFactory = _ => 128 };
var factor = new Option<int>("--factor") { Description = "How many times the trained side pictures have.", DefaultValueFactory = _ => 1 };
var hiDiffusion = new Option<string>("--hidiffusion") { Description = "Parts of HiDiffusion.", DefaultValueFactory = _ => PaintSettings.Plain };
hiDiffusion.AcceptOnlyFromAmong([.. PaintSettings.HiDiffusionNames]);
var paint = new Command("paint", "Paint pictures of a list's captions into a folder for mural judge; pictures that are there stay.")
{
    model, data, output, linFusion, split, count, factor, hiDiffusion, steps, guidance
};
paint.SetAction(async (parsed, _) =>
{
    await using IPainter painter = await Painters.OpenAsync(parsed.GetValue(model)!, parsed.GetValue(linFusion));
    await new SampleFolder(parsed.GetValue(output)!).FillAsync(
        painter, Chosen(parsed), PaintSettings.Of(parsed.GetValue(factor), parsed.GetValue(hiDiffusion)!, parsed.GetValue(steps), parsed.GetValue(guidance)));
});

var real = new Command("real", "Copy the list's own pictures of the same captions into a folder for mural judge: what the best samples could be.") { data, output, split, count };
real.SetAction(async (parsed, _) =>
{
    IReadOnlyList<PictureItem> chosen = Chosen(parsed);
    await using var painter = new RealPictures(chosen);
    await new SampleFolder(parsed.GetValue(output)!).FillAsync(painter, chosen, new PaintSettings());
});

var autoencoder = new Argument<string>("autoencoder") { Description = "Folder of an autoencoder." };
var reconstruct = new Command("reconstruct", "Encode and decode the list's own pictures into a folder for mural judge: what the best denoiser could paint.")
{
    autoencoder, data, output, split, count
};
reconstruct.SetAction(async (parsed, _) =>
{
    IReadOnlyList<PictureItem> chosen = Chosen(parsed);
    await using var painter = new Reconstructions(parsed.GetValue(autoencoder)!, chosen);
    var painted = new SampleFolder(parsed.GetValue(output)!);
    await painted.FillAsync(painter, chosen, new PaintSettings());
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{parsed.GetValue(output)}: {painted.SignalToNoise(chosen):0.00} dB"));
});

var folder = new Argument<string>("folder") { Description = "Folder with what mural judge --json said, one file a set of samples." };
var table = new Command("table", "Print what the judge said of several sets of samples as a table.") { folder };
table.SetAction(parsed => Console.Write(FigureTable.Markdown(JudgedSet.ReadAll(parsed.GetValue(folder)!))));

var ablation = new Command("ablation", "Draw the plot and the sheet of the mixers' ablation and print its table.") { folder, output };
ablation.SetAction(parsed => Console.Write(Ablation.Draw(parsed.GetValue(folder)!, parsed.GetValue(output)!)));

var sets = new Argument<string[]>("sets") { Description = "Folders of samples of the same captions.", Arity = ArgumentArity.OneOrMore };
var columns = new Option<int>("--columns") { Description = "Captions to show of each.", DefaultValueFactory = _ => 6 };
var sideBySide = new Command("side-by-side", "Draw a sheet with the first pictures of several sets of samples, a row each.") { sets, output, columns };
sideBySide.SetAction(parsed => PictureWriter.Write(
    parsed.GetValue(output)!,
    SideBySide.Sheet(parsed.GetValue(sets)!.Select(set => (Path.GetFileName(Path.TrimEndingDirectorySeparator(set)), new SampleFolder(set))), parsed.GetValue(columns))));

IReadOnlyList<PictureItem> Chosen(ParseResult parsed)
{
    var captions = new Captions(parsed.GetValue(data)!);
    return Spread.Over(parsed.GetValue(split) == "train" ? captions.Training : captions.HeldOut, parsed.GetValue(count));
}

try
{
    return await new RootCommand("What the cards of Mural's models and the gallery show.") { sheets, paint, real, reconstruct, table, ablation, sideBySide }
        .Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception problem) when (problem is MuralException or IOException or JsonException)
{
    await Console.Error.WriteLineAsync($"report: {problem.Message}");
    return 1;
}
