using System.Buffers.Binary;
using System.Numerics;
using Mural.Checkpoints.Pickle;

namespace Mural.Checkpoints;

/// <summary>The pickle of a PyTorch file and where its storages lie.</summary>
/// <param name="Format">The format by name.</param>
/// <param name="Pickle">What was pickled.</param>
/// <param name="Locate">Finds the data of a storage: its offset in the file and its bytes.</param>
internal sealed record TorchContainer(string Format, PickleResult Pickle, Func<string, (long Offset, long Bytes)> Locate)
{
    private const string PickleName = "/data.pkl";

    // The number that begins every file of torch.save before 1.6, and the version that follows it.
    private static readonly BigInteger LegacyMagic = BigInteger.Parse("119547037146038801333356");
    private const long LegacyProtocol = 1001;

    /// <summary>Reads the zip archive that torch.save writes since PyTorch 1.6.</summary>
    internal static TorchContainer ReadZip(MappedFile file, CheckpointLimits limits)
    {
        ZipDirectory directory = ZipDirectory.Read(file, limits);
        string[] pickles = [.. directory.Names.Where(IsPickle)];
        if (pickles.Length != 1)
            throw new MuralException(
                $"{file.Path} is a zip archive with {pickles.Length} entries named FOLDER/data.pkl where a PyTorch checkpoint has one; choose a file written by torch.save.");
        string root = pickles[0][..^PickleName.Length];
        if (directory.Has($"{root}/constants.pkl") || directory.Names.Any(name => name.StartsWith($"{root}/code/", StringComparison.Ordinal)))
            throw new MuralException($"{file.Path} is a TorchScript archive, which holds a program beside its weights; save the model's state_dict() with torch.save instead.");
        CheckByteOrder(file, directory, root);
        (long offset, long bytes) = directory.Locate(pickles[0]);
        if (bytes > limits.PickleBytes) throw new PickleException($"its pickle has {bytes} bytes where at most {limits.PickleBytes} are accepted");
        return new TorchContainer("PyTorch zip", PickleMachine.Read(file.Slice(offset, (int)bytes), limits), key => directory.Locate($"{root}/data/{key}"));
    }

    /// <summary>
    /// Reads what torch.save wrote before 1.6: pickles of a magic number, a version, the writer's machine, the object and the storages' keys, then for each
    /// key its element count and its data.
    /// </summary>
    internal static TorchContainer ReadLegacy(MappedFile file, CheckpointLimits limits)
    {
        long position = 0;
        if (Next().Value is not BigInteger magic || magic != LegacyMagic)
            throw new PickleException("it begins with a pickle but not with PyTorch's magic number", "choose a file written by torch.save");
        if (Next().Value is not LegacyProtocol) throw new PickleException($"it is not of version {LegacyProtocol} of the format before PyTorch 1.6");
        if (Next().Value is not PickleObject machine || machine.Items.Any(item => item is { Key: "little_endian", Value: not true }))
            throw new PickleException("it was written on a big-endian machine", "save it again on a little-endian one");
        PickleResult pickle = Next();
        if (Next().Value is not PickleSequence keys) throw new PickleException("it does not list its storages");

        var places = new Dictionary<string, (long Offset, long Bytes)>();
        foreach (object? listed in keys.Items)
        {
            if (listed is not string key || !pickle.Storages.TryGetValue(key, out PickleStorage? storage))
                throw new PickleException("it lists a storage that no tensor uses");
            if (file.Length - position < 8) throw new PickleException($"it ends before its storage {key}");
            long elements = BinaryPrimitives.ReadInt64LittleEndian(file.Slice(position, 8));
            position += 8;
            if (elements != storage.Elements)
                throw new PickleException($"its storage {key} has {elements} elements where its pickle says {storage.Elements}");
            long bytes = elements * (storage.Type?.Bytes ?? 1);
            if (bytes > file.Length - position) throw new PickleException($"it ends within its storage {key}");
            if (!places.TryAdd(key, (position, bytes))) throw new PickleException($"it lists its storage {key} twice");
            position += bytes;
        }
        return new TorchContainer("PyTorch before 1.6", pickle, key => places.TryGetValue(key, out var place) ? place : throw new PickleException($"its storage {key} is missing"));

        PickleResult Next()
        {
            PickleResult result = PickleMachine.Read(file.Slice(position, (int)Math.Min(file.Length - position, limits.PickleBytes)), limits);
            position += result.Bytes;
            return result;
        }
    }

    // In the root folder, whatever its name.
    private static bool IsPickle(string name) =>
        name.EndsWith(PickleName, StringComparison.Ordinal) && name.IndexOf('/', StringComparison.Ordinal) == name.Length - PickleName.Length;

    private static void CheckByteOrder(MappedFile file, ZipDirectory directory, string root)
    {
        string name = $"{root}/byteorder";
        if (!directory.Has(name)) return;
        (long offset, long bytes) = directory.Locate(name);
        ReadOnlySpan<byte> order = file.Slice(offset, (int)Math.Min(bytes, 16)).TrimEnd("\r\n "u8);
        if (order.SequenceEqual("big"u8)) throw new PickleException("it was written on a big-endian machine", "save it again on a little-endian one");
        if (!order.SequenceEqual("little"u8)) throw new PickleException("its byteorder entry says neither little nor big");
    }
}
