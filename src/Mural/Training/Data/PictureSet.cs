using System.Globalization;
using System.Text.Json;
using Mural.Checkpoints;
using Mural.Imaging;
using static TorchSharp.torch;

namespace Mural.Training.Data;

/// <summary>A picture that was left out, and why.</summary>
/// <param name="File">Its path.</param>
/// <param name="Reason">What is wrong with it.</param>
public sealed record BrokenPicture(string File, string Reason);

/// <summary>
/// All pictures of a data set, decoded once into a memory-mapped file of bytes: decoding them anew in every epoch would cost as much as the
/// training of a small model. The file is named after everything it depends on.
/// </summary>
internal sealed class PictureSet : IDisposable
{
    private readonly MappedRows _rows;

    private PictureSet(IReadOnlyList<PictureItem> items, IReadOnlyList<BrokenPicture> broken, string path, string key, int size)
    {
        Items = items;
        Broken = broken;
        Key = key;
        Size = size;
        var bad = broken.Select(b => b.File).ToHashSet();
        int[] usable = [.. Enumerable.Range(0, items.Count).Where(i => !bad.Contains(items[i].File))];
        Training = [.. usable.Where(i => !items[i].HeldOut)];
        HeldOut = [.. usable.Where(i => items[i].HeldOut)];
        _rows = new MappedRows(path, items.Count, PictureBytes);
    }

    /// <summary>Every picture of the list, broken ones too: a row is an index into this.</summary>
    internal IReadOnlyList<PictureItem> Items { get; }

    internal IReadOnlyList<BrokenPicture> Broken { get; }

    /// <summary>Rows to train on.</summary>
    internal IReadOnlyList<int> Training { get; }

    /// <summary>Rows never trained on.</summary>
    internal IReadOnlyList<int> HeldOut { get; }

    /// <summary>Names the content: the same pictures prepared the same way have the same key.</summary>
    internal string Key { get; }

    /// <summary>Names the choice of the pictures that are trained on.</summary>
    internal string SplitKey => ContentHash.Of(Training.Select(row => row.ToString(CultureInfo.InvariantCulture)));

    /// <summary>Height and width of the pictures.</summary>
    internal int Size { get; }

    /// <summary>Rows that a sheet of samples shows: from all over the set, half of them held out where any are.</summary>
    internal int[] ForSheet(int count)
    {
        int unseen = HeldOut.Count > 0 ? count / 2 : 0;
        return [.. Spread.Over(Training, count - unseen), .. Spread.Over(HeldOut, unseen)];
    }

    private long PictureBytes => 3L * Size * Size;

    /// <summary>Opens the decoded pictures, decoding them first where that was not done yet.</summary>
    internal static PictureSet Open(DataConfig config, string settingsPath, Action<string> report, CancellationToken cancellation)
    {
        List<PictureItem> items = PictureList.Read(config, settingsPath);
        string key = KeyOf(config, items);
        string folder = CacheFolder(config, settingsPath);
        string pixels = Path.Combine(folder, $"pictures-{key}.bin"), notes = Path.ChangeExtension(pixels, ".json");
        if (!File.Exists(pixels) || !File.Exists(notes))
        {
            report($"decoding {items.Count:N0} pictures");
            Decode(config, items, pixels, notes, cancellation);
        }
        BrokenPicture[] broken = JsonSerializer.Deserialize<BrokenPicture[]>(File.ReadAllText(notes), Settings.Json)!;
        if (broken.Length > 0)
            report($"{broken.Length} of {items.Count} pictures are left out: "
                + $"{string.Join("; ", broken.Take(5).Select(b => $"{b.File} ({b.Reason})"))}{(broken.Length > 5 ? "; ..." : "")}");
        var set = new PictureSet(items, broken, pixels, key, config.Size);
        if (set.Training.Count > 0) return set;
        set.Dispose();
        throw new MuralException(
            $"None of the {items.Count} pictures of '{config.Folder ?? config.Index}' can be trained on; {broken.Length} are broken and the others are held out.");
    }

    /// <summary>Where what is made of the pictures is kept.</summary>
    internal static string CacheFolder(DataConfig config, string settingsPath)
    {
        if (config.Cache is not null) return Settings.Resolve(settingsPath, config.Cache);
        string source = Settings.Resolve(settingsPath, (config.Folder ?? config.Index ?? config.Captions)!);
        return Path.Combine(config.Folder is null ? Path.GetDirectoryName(source)! : source, "cache");
    }

    /// <summary>The pictures of the given rows as bytes, <c>[B, 3, size, size]</c>.</summary>
    internal Tensor Bytes(ReadOnlySpan<int> rows)
    {
        Tensor batch = empty(rows.Length, 3, Size, Size, dtype: ScalarType.Byte);
        _rows.Copy(rows, batch.bytes);
        return batch;
    }

    /// <summary>The pictures of the given rows in [-1, 1], <c>[B, 3, size, size]</c>, float32.</summary>
    internal Tensor Pictures(ReadOnlySpan<int> rows)
    {
        using Tensor bytes = Bytes(rows);
        return Unit(bytes);
    }

    /// <summary>Bytes as float32 in [-1, 1].</summary>
    internal static Tensor Unit(Tensor bytes) => bytes.to(float32).div_(127.5f).sub_(1);

    /// <inheritdoc/>
    public void Dispose() => _rows.Dispose();

    private static void Decode(DataConfig config, List<PictureItem> items, string path, string notes, CancellationToken cancellation)
    {
        Rgb background = Rgb.Parse(config.Background);
        long bytes = 3L * config.Size * config.Size;
        var broken = new BrokenPicture?[items.Count];
        PreparedFile.Write(path, stream =>
        {
            stream.SetLength(bytes * items.Count);
            try
            {
                Parallel.For(0, items.Count, new ParallelOptions
                {
                    CancellationToken = cancellation,
                    MaxDegreeOfParallelism = Environment.ProcessorCount
                }, () => new byte[bytes], (i, _, buffer) =>
                {
                    try
                    {
                        PictureDecoder.Read(items[i].File, background, buffer, config.Size, config.Fit);
                        RandomAccess.Write(stream.SafeFileHandle, buffer, i * bytes);
                    }
                    catch (MuralException e) when (!IsPassing(e.InnerException))
                    {
                        broken[i] = new BrokenPicture(items[i].File, e.Message);
                    }
                    return buffer;
                }, _ => { });
            }
            catch (AggregateException several) when (several.InnerException is MuralException first)
            {
                throw new MuralException(first.Message, first);
            }
            AtomicFile.WriteText(notes, JsonSerializer.Serialize(broken.OfType<BrokenPicture>().ToArray(), Settings.Json));
        });
    }

    // A picture that is there but cannot be read today is not broken, and is not to be left out of all runs to come.
    private static bool IsPassing(Exception? reason) => reason is UnauthorizedAccessException or IOException and not (FileNotFoundException or DirectoryNotFoundException);

    private static string KeyOf(DataConfig config, List<PictureItem> items)
    {
        string settings = $"1 {config.Size} {config.Background}{(config.Fit == SquareFit.Crop ? "" : $" {config.Fit}")}";
        return ContentHash.Of([settings, .. items.Select(item =>
        {
            var file = new FileInfo(item.File);
            return string.Create(CultureInfo.InvariantCulture, $"{item.File} {(file.Exists ? file.Length : -1)} {(file.Exists ? file.LastWriteTimeUtc.Ticks : 0)}");
        })]);
    }
}
