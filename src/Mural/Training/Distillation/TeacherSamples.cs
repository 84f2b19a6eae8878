using System.Globalization;
using Mural.Pipelines;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>
/// Captions alone: the latents are the teacher's own, sampled once before the first step and kept in a memory-mapped file of float16 values. Sampling that was ended goes on
/// where it was.
/// </summary>
internal sealed class TeacherSamples : IDistillationSamples
{
    private readonly string[] _captions;
    private readonly MappedRows _rows;
    private readonly long[] _shape;
    private readonly int _size;

    private TeacherSamples(string[] captions, string path, long[] shape, string key, DataConfig data)
    {
        (_captions, _shape, _size) = (captions, shape, data.Size);
        _rows = new MappedRows(path, captions.Length, RowBytes(shape));
        int[] rows = [.. Enumerable.Range(0, captions.Length)];
        HeldOut = Spread.Over(rows, (int)Math.Round(data.HeldOut * captions.Length));
        Training = [.. rows.Except(HeldOut)];
        // The same samples, whatever is held out of them.
        Key = HeldOut.Count == 0 ? key : $"{key}-{ContentHash.Of(Training.Select(row => row.ToString(CultureInfo.InvariantCulture)))}";
    }

    public IReadOnlyList<int> Training { get; }

    public IReadOnlyList<int> HeldOut { get; }

    public string Key { get; }

    public string Caption(int row) => _captions[row];

    public float[] Sizes(int row) => [_size, _size, 0, 0];

    public Tensor Latents(IReadOnlyList<int> rows, Generator generator)
    {
        using Tensor stored = empty([rows.Count, .. _shape], ScalarType.Float16);
        _rows.Copy([.. rows], stored.bytes);
        return stored.to(float32);
    }

    public void Dispose() => _rows.Dispose();

    /// <summary>Opens the latents, sampling first those that are missing.</summary>
    /// <param name="config">Captions, size, steps, guidance and seed.</param>
    /// <param name="painting">The teacher, and how it samples.</param>
    /// <param name="teacher">Names the teacher's weights.</param>
    /// <param name="report">Hears how far the sampling is.</param>
    /// <param name="cancellation">Ends the sampling.</param>
    internal static TeacherSamples Open(LinFusionTrainingConfig config, TeacherPainting painting, string teacher, Action<string> report, CancellationToken cancellation)
    {
        string[] captions = Read(Settings.Resolve(config.SettingsPath, config.Data.Captions!));
        string key = KeyOf(captions, painting, config, teacher);
        string path = Path.Combine(PictureSet.CacheFolder(config.Data, config.SettingsPath), $"teacher-samples-{key}.bin");
        PictureCodec codec = painting.Teacher.Codec;
        long[] shape = [codec.LatentChannels, painting.Size / codec.Downscale, painting.Size / codec.Downscale];
        if (!File.Exists(path)) Sample(captions, painting, config.Seed, path, RowBytes(shape), report, cancellation);
        return new TeacherSamples(captions, path, shape, key, config.Data);
    }

    private static string[] Read(string path)
    {
        try
        {
            string[] captions = [.. File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0)];
            return captions.Length > 0 ? captions : throw new MuralException($"'{path}' holds no captions; one a line is expected.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"The captions '{path}' cannot be read ({error.Message.TrimEnd('.')}); check 'data.captions'.", error);
        }
    }

    // Rows are written one after the other into a file beside, which gets its name when it is whole.
    private static void Sample(string[] captions, TeacherPainting painting, long seed, string path, long rowBytes, Action<string> report, CancellationToken cancellation)
    {
        using var quiet = no_grad();
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string partial = path + ".partial";
        using (var stream = new FileStream(partial, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None))
        {
            int done = (int)Math.Min(stream.Length / rowBytes, captions.Length);
            stream.SetLength(done * rowBytes);
            stream.Seek(0, SeekOrigin.End);
            for (int row = done; row < captions.Length; row++)
            {
                report($"the teacher samples latents: {row} of {captions.Length:N0}");
                StableDiffusionPlan plan = painting.Plan(captions[row], (long)(SplitMix.Combine(seed, row) >> 32));
                using TextTimeline texts = painting.Teacher.Encode(plan);
                stream.Write(painting.Paint(painting.Teacher.UNet, plan, texts, (_, latents) => latents.to(ScalarType.Float16).cpu().contiguous().bytes.ToArray(), cancellation));
                stream.Flush(flushToDisk: true);
            }
        }
        File.Move(partial, path, overwrite: true);
    }

    private static long RowBytes(long[] shape) => 2 * shape.Aggregate(1L, (a, b) => a * b);

    private static string KeyOf(string[] captions, TeacherPainting painting, LinFusionTrainingConfig config, string teacher)
    {
        return ContentHash.Of(
            [string.Create(CultureInfo.InvariantCulture, $"1 {teacher} {painting.Size} {painting.Steps} {painting.Guidance} {config.Seed} {config.Precision}"), .. captions]);
    }
}
