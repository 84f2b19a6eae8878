using System.Buffers.Binary;
using System.Text;
using Mural.Checkpoints;

namespace Mural.Tests.Checkpoints;

public sealed class ZipDirectoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void StoragesBeyondFourGigabytesAreFoundThroughZip64()
    {
        using var scope = NewDisposeScope();
        const long Large = (5L << 30) + 16;
        byte[] pickle = new PickleBuilder().Tensor("0", "ByteStorage", Large, Large - 6, [2, 2], [1, 3]).ToArray();
        string path = _folder.At("large.pth");
        using (FileStream stream = File.Create(path))
        {
            SparseFile.Mark(stream);
            stream.Write([.. Local("big/data.pkl"), .. pickle]);
            long storage = stream.Position;
            stream.Write(Local("big/data/0"));
            stream.Position += Large - 6;
            stream.Write([1, 2, 3, 4, 5, 6]);
            long directory = stream.Position;
            byte[] entries = [.. Central("big/data.pkl", pickle.Length, 0), .. Central("big/data/0", Large, storage)];
            stream.Write([.. entries, .. Zip64End(2, entries.Length, directory, directory + entries.Length), .. End()]);
        }
        using TorchFile file = TorchFile.Open(path);
        Assert.Equal([1, 4, 2, 5], file.Read("tensor").bytes.ToArray());
    }

    [Fact]
    public void EveryCutOfAnArchiveIsRefused()
    {
        byte[] whole = TorchZip.Build(new PickleBuilder().Tensor("0", "ByteStorage", 4, 0, [4], [1]).ToArray(), ("0", [1, 2, 3, 4]));
        string path = _folder.At("cut.pth");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            Assert.Throws<MuralException>(() => TorchFile.Open(path));
        }
        File.WriteAllBytes(path, whole);
        TorchFile.Open(path).Dispose();
    }

    [Fact]
    public void ACommentAfterTheDirectoryIsNoObstacle()
    {
        byte[] whole = TorchZip.Build(new PickleBuilder().Tensor("0", "ByteStorage", 4, 0, [4], [1]).ToArray(), ("0", [1, 2, 3, 4]));
        byte[] commented = [.. whole, .. new byte[300]];
        BinaryPrimitives.WriteUInt16LittleEndian(commented.AsSpan(whole.Length - 2), 300);
        string path = _folder.At("comment.pth");
        File.WriteAllBytes(path, commented);
        using TorchFile file = TorchFile.Open(path);
        Assert.Equal([1, 2, 3, 4], file.Read(file.Tensors.Keys.Single()).data<byte>().ToArray());
    }

    [Theory]
    [InlineData(4, 1, "split archive")]
    [InlineData(10, 9, "9 entries")]
    [InlineData(12, 0x7FFFFFFF, "outside of the file")]
    [InlineData(16, 0x7FFFFFFF, "outside of the file")]
    [InlineData(16, 0xFFFFFFFF, "ZIP64 locator is missing")]
    [InlineData(16, 0, "something other than entries")]
    public void AFalseEndRecordIsRefused(int at, uint value, string message)
    {
        byte[] archive = TorchZip.Build([]);
        Span<byte> end = archive.AsSpan(archive.Length - 22);
        if (at >= 12) BinaryPrimitives.WriteUInt32LittleEndian(end[at..], value);
        else BinaryPrimitives.WriteUInt16LittleEndian(end[at..], (ushort)value);
        AssertRefused(archive, message);
    }

    [Theory]
    [InlineData(8, 1, 2, "encrypted")]
    [InlineData(10, 8, 2, "compressed (method 8)")]
    [InlineData(20, 5, 4, "two sizes")]
    [InlineData(42, 0x7FFFFFFF, 4, "begins outside")]
    [InlineData(42, 7, 4, "no header where the directory says")]
    [InlineData(28, 60000, 2, "cut off")]
    [InlineData(24, 0xFFFFFFFF, 4, "lacks its 64-bit sizes")]
    public void AFalseEntryIsRefused(int at, uint value, int bytes, string message)
    {
        byte[] archive = TorchZip.Build([]);
        int directory = (int)BinaryPrimitives.ReadUInt32LittleEndian(archive.AsSpan(archive.Length - 6));
        if (bytes == 4) BinaryPrimitives.WriteUInt32LittleEndian(archive.AsSpan(directory + at), value);
        else BinaryPrimitives.WriteUInt16LittleEndian(archive.AsSpan(directory + at), (ushort)value);
        AssertRefused(archive, message);
    }

    [Fact]
    public void TheNumberOfEntriesIsLimited()
    {
        string path = _folder.At("a.pth");
        File.WriteAllBytes(path, TorchZip.Build(new PickleBuilder().Op(Mural.Checkpoints.Pickle.PickleOpcode.EmptyDict).ToArray()));
        TorchFile.Open(path, new CheckpointLimits { ArchiveEntries = 3 }).Dispose();
        Assert.Throws<MuralException>(() => TorchFile.Open(path, new CheckpointLimits { ArchiveEntries = 2 }));
    }

    private void AssertRefused(byte[] archive, string message)
    {
        string path = _folder.At("a.pth");
        File.WriteAllBytes(path, archive);
        Assert.Contains(message, Assert.Throws<MuralException>(() => TorchFile.Open(path)).Message, StringComparison.Ordinal);
    }

    private static byte[] Local(string name)
    {
        byte[] header = new byte[30 + name.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x04034b50);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(26), (ushort)name.Length);
        Encoding.ASCII.GetBytes(name, header.AsSpan(30));
        return header;
    }

    private static byte[] Central(string name, long bytes, long offset)
    {
        byte[] entry = new byte[46 + name.Length + 28];
        BinaryPrimitives.WriteUInt32LittleEndian(entry, 0x02014b50);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(20), uint.MaxValue);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(24), uint.MaxValue);
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(28), (ushort)name.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(30), 28);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(42), uint.MaxValue);
        Encoding.ASCII.GetBytes(name, entry.AsSpan(46));
        Span<byte> extra = entry.AsSpan(46 + name.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(extra, 1);
        BinaryPrimitives.WriteUInt16LittleEndian(extra[2..], 24);
        BinaryPrimitives.WriteInt64LittleEndian(extra[4..], bytes);
        BinaryPrimitives.WriteInt64LittleEndian(extra[12..], bytes);
        BinaryPrimitives.WriteInt64LittleEndian(extra[20..], offset);
        return entry;
    }

    private static byte[] Zip64End(long count, long bytes, long offset, long position)
    {
        byte[] record = new byte[56 + 20];
        BinaryPrimitives.WriteUInt32LittleEndian(record, 0x06064b50);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(4), 44);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(24), count);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(32), count);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(40), bytes);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(48), offset);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(56), 0x07064b50);
        BinaryPrimitives.WriteInt64LittleEndian(record.AsSpan(64), position);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(72), 1);
        return record;
    }

    private static byte[] End()
    {
        byte[] end = new byte[22];
        end.AsSpan(8, 12).Fill(0xFF);
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06054b50);
        return end;
    }
}
