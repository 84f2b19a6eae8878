using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>
/// The finished stages of a large picture, kept in a folder, so that a run that was ended goes on where it was: a stage's picture appears under its name when it is whole.
/// The folder is held as long as this is open.
/// </summary>
internal sealed class StageFolder : IDisposable
{
    private const string JobName = "job.json", AnchorName = "anchor.json", EnlargedName = "enlarged.rgb", Part = ".part", Mean = "mean", Deviation = "deviation";

    /// <summary>What the job calls the seed.</summary>
    internal const string Seed = "seed";

    private readonly string _folder;
    private readonly LargePicturePlan _plan;
    private readonly FolderLock _lock;

    /// <summary>Opens a folder, or creates it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="job">Everything that decides about the picture, to tell another job's folder.</param>
    /// <param name="plan">The stages.</param>
    /// <exception cref="MuralException">The folder holds the stages of another job, another run paints into it, or it cannot be written.</exception>
    internal StageFolder(string folder, string job, LargePicturePlan plan)
    {
        (_folder, _plan) = (folder, plan);
        _lock = FolderLock.Take(folder, "The folder of stages", $"Another run is painting into {folder}; wait for it, stop it, or give this picture another name.");
        try
        {
            string file = At(JobName);
            if (File.Exists(file) && File.ReadAllText(file) != job)
                throw new MuralException(
                    $"{folder} holds stages of a picture that is painted with other settings or from other files; delete it, or give this picture another name.");
            AtomicFile.WriteText(file, job);
            // Their room counts as free, and a stage needs it before it would replace them.
            foreach (string picture in Begun(plan, folder)) AtomicFile.Discard(picture);
        }
        catch
        {
            _lock.Dispose();
            throw;
        }
    }

    /// <summary>The seed of the picture whose stages a folder holds; null where it holds none.</summary>
    internal static long? SeedOf(string folder)
    {
        string file = Path.Combine(folder, JobName);
        try
        {
            return File.Exists(file) ? JsonNode.Parse(File.ReadAllText(file))?[Seed]?.GetValue<long>() : null;
        }
        // A number that is no whole one, or a name that is there twice, is told only where it is asked for.
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Bytes that must be free where a folder is, or would be created, before its stages can be finished; below 0 where the run will free more than it takes.</summary>
    /// <param name="plan">The stages.</param>
    /// <param name="forecast">What all of them need.</param>
    /// <param name="folder">The folder.</param>
    internal static double Needed(LargePicturePlan plan, MemoryForecast forecast, string folder)
    {
        int finished = FinishedIn(plan, folder);
        // A picture behind one that is missing counts too: it stays until the one that replaces it is whole.
        long pictures = plan.Stages.Skip(finished).Sum(stage => Whole(stage)), freed = Begun(plan, folder).Sum(file => Math.Max(0, Length(file)));
        return forecast.DiskBytesBeyond(finished) + pictures - freed;
    }

    /// <summary>How many stages are finished, from the first on.</summary>
    internal int Finished => FinishedIn(_plan, _folder);

    /// <summary>The picture of a finished stage.</summary>
    internal RgbFile Open(int stage) => RgbFile.Open(Picture(stage), _plan.Stages[stage].Width, _plan.Stages[stage].Height)
        ?? throw new MuralException($"{Picture(stage)} is gone or damaged; delete {_folder} and paint the picture again.");

    /// <summary>Writes the picture of a stage, which counts once it is whole.</summary>
    internal void Write(int stage, Action<RgbFile> write) => Write(Picture(stage), _plan.Stages[stage].Width, _plan.Stages[stage].Height, write);

    /// <summary>A picture that is needed on the way and deleted afterwards.</summary>
    internal T Between<T>(int width, int height, Action<RgbFile> write, Func<RgbFile, T> use)
    {
        string path = At(EnlargedName);
        try
        {
            using RgbFile picture = RgbFile.Create(path, width, height);
            write(picture);
            return use(picture);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Keeps the statistics of the first latent, which later stages are given.</summary>
    internal void Keep(ChannelStatistics anchor)
    {
        using DisposeScope scope = NewDisposeScope();
        static JsonArray Numbers(Tensor tensor) => [.. tensor.flatten().to(ScalarType.Float32).cpu().data<float>().ToArray().Select(number => (JsonNode)number)];
        AtomicFile.WriteText(At(AnchorName), new JsonObject { [Mean] = Numbers(anchor.Mean), [Deviation] = Numbers(anchor.Deviation) }.ToJsonString());
    }

    /// <summary>What <see cref="Keep"/> kept.</summary>
    /// <exception cref="MuralException">It is not there.</exception>
    internal ChannelStatistics Anchor(Device device)
    {
        try
        {
            JsonNode? kept = JsonNode.Parse(File.ReadAllText(At(AnchorName)));
            float[] Numbers(string name) => kept?[name]?.Deserialize<float[]>() ?? throw new JsonException($"there is no {name}");
            float[] mean = Numbers(Mean), deviation = Numbers(Deviation);
            return new ChannelStatistics(tensor(mean, device: device).view(1, -1, 1, 1), tensor(deviation, device: device).view(1, -1, 1, 1));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new MuralException($"{At(AnchorName)} is gone or damaged; delete {_folder} and paint the picture again.", error);
        }
    }

    /// <summary>Deletes the stages, and the folder where nothing else is in it.</summary>
    internal void Delete()
    {
        IEnumerable<string> pictures = Enumerable.Range(0, _plan.Stages.Count).Select(Picture);
        // What a run that was killed left of files that were being written.
        IEnumerable<string> begun = new[] { $".{JobName}.*.tmp", $".{AnchorName}.*.tmp", DiskMap.Pattern }.SelectMany(pattern => Directory.GetFiles(_folder, pattern));
        foreach (string file in pictures.Concat(Begun(_plan, _folder)).Concat(begun).Concat([At(AnchorName), At(JobName)])) File.Delete(file);
        Dispose();
        File.Delete(At(FolderLock.Name));
        if (!Directory.EnumerateFileSystemEntries(_folder).Any()) Directory.Delete(_folder);
    }

    /// <summary>Lets go of the folder.</summary>
    public void Dispose() => _lock.Dispose();

    private static void Write(string path, int width, int height, Action<RgbFile> write)
    {
        string part = path + Part;
        try
        {
            using RgbFile picture = RgbFile.Create(part, width, height);
            write(picture);
            // The whole length is there from the start: without this a lost machine could leave a stage of zeros that counts.
            picture.Flush();
        }
        catch
        {
            AtomicFile.Discard(part);
            throw;
        }
        AtomicFile.Commit(part, path);
    }

    private static int FinishedIn(LargePicturePlan plan, string folder) =>
        plan.Stages.Index().TakeWhile(stage => Length(Path.Combine(folder, PictureName(stage.Index))) == Whole(stage.Item)).Count();

    // Pictures that a run which was killed was writing: at their full length from the start, and nobody goes on with them.
    private static IEnumerable<string> Begun(LargePicturePlan plan, string folder) =>
        plan.Stages.Select((_, stage) => PictureName(stage) + Part).Append(EnlargedName).Select(name => Path.Combine(folder, name));

    private string Picture(int stage) => At(PictureName(stage));

    private static string PictureName(int stage) => $"stage-{stage}.rgb";

    private static long Whole(LargePictureStage stage) => 3L * stage.Width * stage.Height;

    private string At(string name) => Path.Combine(_folder, name);

    private static long Length(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : -1;
}
