using System.Buffers;
using System.Text.Json.Nodes;
using Mural.Checkpoints.Pickle;
using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>
/// A file of <c>torch.save</c> (.pth, .pt, .ckpt, .bin), memory-mapped. Its pickle is read as data: nothing in it is ever run. Nested dictionaries are
/// flattened to dotted names; where the file keeps its weights under <c>state_dict</c>, only these are its tensors. Views are made contiguous as they are read.
/// </summary>
public sealed class TorchFile : ITensorSource
{
    // Views that are not contiguous are gathered in blocks of this many elements.
    private const int GatheredElements = 8192;

    private readonly MappedFile _file;
    private readonly Dictionary<string, (PickleTensor View, long StorageOffset)> _views = [];

    private TorchFile(MappedFile file, TorchContainer container, CheckpointLimits limits)
    {
        _file = file;
        Format = container.Format;
        StateTree tree = StateTree.Flatten(container.Pickle, limits);
        Values = tree.Values;
        var entries = new Dictionary<string, TensorEntry>();
        foreach ((string name, PickleTensor tensor) in tree.Tensors) entries.Add(name, Place(name, tensor, container));
        CheckExpansion(entries, limits);
        Tensors = entries;
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public string Format { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>Empty: the format has no text entries of its own; see <see cref="Values"/>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>
    /// Numbers, texts and lists of these that lie beside the tensors, by names such as <c>optimizer.param_groups[0].lr</c>. Integers beyond 64 bits, infinities
    /// and NaN are given as text.
    /// </summary>
    public IReadOnlyDictionary<string, JsonNode?> Values { get; }

    /// <summary>Opens a file and reads its pickle.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; <see cref="CheckpointLimits.Default"/> when not given.</param>
    /// <exception cref="MuralException">The file is missing, malformed, hostile, or holds something other than tensors.</exception>
    public static TorchFile Open(string path, CheckpointLimits? limits = null)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return Read(file, FileContent.Recognise(file), limits ?? CheckpointLimits.Default);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads the pickle of a mapped file, which then belongs to the result.</summary>
    internal static TorchFile Read(MappedFile file, FileContent.Kind kind, CheckpointLimits limits)
    {
        try
        {
            return kind switch
            {
                FileContent.Kind.Zip => new TorchFile(file, TorchContainer.ReadZip(file, limits), limits),
                FileContent.Kind.LegacyTorch => new TorchFile(file, TorchContainer.ReadLegacy(file, limits), limits),
                _ => throw new MuralException($"{file.Path} is not a PyTorch checkpoint: it begins neither like a zip archive nor like a pickle; "
                    + "check what it is with mural inspect."),
            };
        }
        catch (PickleException error)
        {
            throw error.In(file.Path);
        }
    }

    /// <inheritdoc/>
    public Tensor Read(string name, ScalarType? type = null) => TensorReading.Read(this, name, type);

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        TensorEntry entry = TensorReading.Check(this, name, destination);
        (PickleTensor view, long storage) = _views[name];
        SafetensorsType type = view.Type;
        int elementBytes = type.Type.ElementBytes();
        bool contiguous = StridedGather.IsContiguous(view.Shape, view.Strides);
        byte[] gathered = contiguous ? [] : ArrayPool<byte>.Shared.Rent(GatheredElements * type.Bytes);
        TensorPieces.Fill(destination, entry.Type, (first, target) =>
        {
            if (contiguous)
            {
                type.Decode(_file.Slice(entry.Offset + first * type.Bytes, target.Length / elementBytes * type.Bytes), target);
                return;
            }
            for (int done = 0; done < target.Length; done += GatheredElements * elementBytes)
            {
                Span<byte> part = target.Slice(done, Math.Min(GatheredElements * elementBytes, target.Length - done));
                Span<byte> stored = gathered.AsSpan(0, part.Length / elementBytes * type.Bytes);
                StridedGather.Copy(_file, storage, view, first + done / elementBytes, stored);
                type.Decode(stored, part);
            }
        });
        if (contiguous) _file.Release(entry.Offset, entry.Bytes);
        else ArrayPool<byte>.Shared.Return(gathered);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private TensorEntry Place(string name, PickleTensor tensor, TorchContainer container)
    {
        PickleStorage storage = tensor.Storage;
        (long offset, long bytes) = container.Locate(storage.Key);
        long claimed = storage.Elements * (storage.Type?.Bytes ?? 1);
        if (claimed > bytes) throw new PickleException($"its storage {storage.Key} should have {claimed} bytes but has {bytes}");
        long wanted = Sizes.Bytes(tensor.Shape, tensor.Type.Bytes);
        if (wanted > _file.Length)
            throw new PickleException($"its tensor {Quote.Name(name)} repeats its storage to {wanted} bytes, more than the whole file has", "save it contiguous");
        _views.Add(name, (tensor, offset));
        return new TensorEntry(name, tensor.Type.Type, tensor.Shape, offset + tensor.Offset * tensor.Type.Bytes, wanted) { Stored = tensor.Type.Name };
    }

    private void CheckExpansion(Dictionary<string, TensorEntry> entries, CheckpointLimits limits)
    {
        Int128 total = 0;
        foreach (TensorEntry entry in entries.Values) total += entry.Bytes;
        if (total > (Int128)_file.Length * limits.Expansion)
            throw new PickleException($"its tensors share their storages so often that they would take {total} bytes from a file of {_file.Length}", "save them contiguous");
    }
}
