using System.IO.Compression;
using System.Runtime.InteropServices;
using FsCheck;
using FsCheck.Fluent;
using Mural.Checkpoints;
using Mural.Checkpoints.Pickle;

namespace Mural.Tests.Checkpoints;

public sealed class TorchFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void EveryViewThatFitsItsStorageIsReadAsPyTorchWould()
    {
        float[] values = [.. Enumerable.Range(0, 60).Select(i => (float)i)];
        byte[] storage = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        Gen<(int Size, int Stride)[]> dimensions = Gen.Zip(Gen.Choose(0, 5), Gen.Choose(0, 12)).ArrayOf().Select(all => all.Take(4).ToArray());
        Prop.ForAll(dimensions.ToArbitrary(), Gen.Choose(0, 59).ToArbitrary(), (view, offset) =>
        {
            using var scope = NewDisposeScope();
            long[] shape = [.. view.Select(dimension => (long)dimension.Size)], strides = [.. view.Select(dimension => (long)dimension.Stride)];
            bool empty = shape.Contains(0);
            bool fits = empty || offset + view.Sum(dimension => (dimension.Size - 1) * dimension.Stride) < 60;
            string path = Write(TorchZip.Build(new PickleBuilder().Tensor("3", "FloatStorage", 60, offset, shape, strides).ToArray(), ("3", storage), ("9", new byte[4000])));
            if (!fits)
            {
                Assert.Contains("outside of the 60 elements", Assert.Throws<MuralException>(() => TorchFile.Open(path)).Message, StringComparison.Ordinal);
                return;
            }
            using TorchFile file = TorchFile.Open(path);
            Tensor wanted = empty ? zeros(shape) : tensor(values).as_strided(shape, strides, offset);
            Assert.True(file.Read("tensor").equal(wanted).all().item<bool>());
            Assert.True(file.Read("tensor", ScalarType.Float64).equal(wanted.to(ScalarType.Float64)).all().item<bool>());
        }).Check(Config.QuickThrowOnFailure.WithReplay(4, 5).WithQuietOnSuccess(true));
    }

    [Fact]
    public void LargeTransposedTensorsAreGatheredInBlocks()
    {
        using var scope = NewDisposeScope();
        Tensor whole = randn(301, 211);
        string path = Write(TorchZip.Build(new PickleBuilder().Tensor("0", "FloatStorage", 301 * 211, 0, [211, 301], [1, 211]).ToArray(), ("0", whole.bytes.ToArray())));
        using TorchFile file = TorchFile.Open(path);
        Assert.True(file.Read("tensor").equal(whole.t()).all().item<bool>());
        Assert.True(file.Read("tensor", ScalarType.BFloat16).equal(whole.t().to(ScalarType.BFloat16)).all().item<bool>());
    }

    [Fact]
    public void TypesWithoutAStorageClassAreRead()
    {
        using var scope = NewDisposeScope();
        byte[] pickle = new PickleBuilder().Op(PickleOpcode.EmptyDict, PickleOpcode.Mark)
            .Text("float8").UntypedTensor("0", "float8_e4m3fn", 8, 3, [2], [1])
            .Text("unsigned").UntypedTensor("0", "uint16", 8, 1, [2], [2])
            .Op(PickleOpcode.SetItems).ToArray();
        using TorchFile file = TorchFile.Open(Write(TorchZip.Build(pickle, ("0", [0, 0, 0xFF, 0x38, 0xB8, 0, 0xFE, 0xFF]))));
        Assert.Equal("F8_E4M3", file.Tensors["float8"].Stored);
        Assert.Equal([1f, -1f], file.Read("float8", ScalarType.Float32).data<float>().ToArray());
        Assert.Equal([0x38FF, 0xFFFE], file.Read("unsigned").data<int>().ToArray());
    }

    [Fact]
    public void ParametersAndSubclassesAreTheirTensors()
    {
        using var scope = NewDisposeScope();
        byte[] pickle = new PickleBuilder().Op(PickleOpcode.EmptyDict, PickleOpcode.Mark)
            .Text("parameter").Global("torch._utils", "_rebuild_parameter_with_state").Op(PickleOpcode.Mark)
            .Tensor("0", "LongStorage", 2, 0, [2], [1]).Op(PickleOpcode.NewTrue, PickleOpcode.None, PickleOpcode.EmptyDict, PickleOpcode.Tuple, PickleOpcode.Reduce)
            .Text("subclass").Global("torch._tensor", "_rebuild_from_type_v2").Op(PickleOpcode.Mark).Global("torch._utils", "_rebuild_tensor_v2").Global("mine", "Tensor")
            .Op(PickleOpcode.Mark).Storage("0", "LongStorage", 2).Integer(1).Tuple().Tuple().Op(PickleOpcode.NewFalse, PickleOpcode.None, PickleOpcode.Tuple)
            .Op(PickleOpcode.EmptyDict, PickleOpcode.Tuple, PickleOpcode.Reduce, PickleOpcode.EmptyDict, PickleOpcode.Build)
            .Op(PickleOpcode.SetItems).ToArray();
        using TorchFile file = TorchFile.Open(Write(TorchZip.Build(pickle, ("0", MemoryMarshal.AsBytes([5L, 7L]).ToArray()))));
        Assert.Equal([5L, 7L], file.Read("parameter").data<long>().ToArray());
        Assert.Equal(7L, file.Read("subclass").item<long>());
    }

    [Fact]
    public void OnlyTheStateDictIsTakenWhereThereIsOne()
    {
        byte[] pickle = new PickleBuilder().Op(PickleOpcode.EmptyDict, PickleOpcode.Mark)
            .Text("epoch").Integer(3)
            .Text("state_dict").Op(PickleOpcode.EmptyDict).Text("w").Tensor("0", "ByteStorage", 4, 0, [4], [1]).Op(PickleOpcode.SetItem)
            .Text("optimizer").Op(PickleOpcode.EmptyDict).Text("exp_avg").Tensor("0", "ByteStorage", 4, 0, [4], [1]).Op(PickleOpcode.SetItem)
            .Text("callbacks").Op(PickleOpcode.EmptyDict).Global("pytorch_lightning.callbacks", "Timer").Text("x").Op(PickleOpcode.SetItem)
            .Text("args").Global("argparse", "Namespace").Op(PickleOpcode.EmptyTuple, PickleOpcode.Reduce, PickleOpcode.EmptyDict).Text("lr").Op(PickleOpcode.BinFloat)
            .Raw(0x3F, 0xE0, 0, 0, 0, 0, 0, 0).Op(PickleOpcode.SetItem, PickleOpcode.Build)
            .Op(PickleOpcode.SetItems).ToArray();
        using TorchFile file = TorchFile.Open(Write(TorchZip.Build(pickle, ("0", new byte[4]))));
        Assert.Equal(["w"], file.Tensors.Keys);
        Assert.Equal(3, file.Values["epoch"]!.GetValue<long>());
        Assert.Equal(0.5, file.Values["args.lr"]!.GetValue<double>());
        Assert.Equal("x", file.Values["callbacks.pytorch_lightning.callbacks.Timer"]!.GetValue<string>());
    }

    public static TheoryData<string, string> Refusals => new()
    {
        { "self-containing", "nested deeper" },
        { "billion laughs", "fill the memory" },
        { "shared too often", "share their storages so often" },
        { "same name", "two tensors named 'a.b'" },
        { "whole model", "whole object of the class 'mine.Model'" },
        { "number", "neither a dictionary nor tensors" },
        { "long name", "more than 4096 characters" },
        { "too many dimensions", "9 dimensions" },
        { "too few strides", "2 dimensions but 1 strides" },
        { "float size", "no 64-bit integer" },
        { "two descriptions", "in two ways" },
        { "huge storage", "can be counted" },
        { "negative storage", "-1 elements" },
        { "unknown storage", "'torch.QInt8Storage'" },
    };

    [Theory, MemberData(nameof(Refusals))]
    public void HostileOrWrongContentsAreRefusedInBoundedMemory(string name, string message)
    {
        PickleBuilder pickle = new();
        switch (name)
        {
            case "self-containing":
                pickle.Op(PickleOpcode.EmptyDict, PickleOpcode.Memoize).Text("again").Raw((byte)PickleOpcode.BinGet, 0).Op(PickleOpcode.SetItem);
                break;
            case "billion laughs":
                pickle.Integer(0).Op(PickleOpcode.Tuple1);
                for (int i = 0; i < 100; i++) pickle.Op(PickleOpcode.Dup, PickleOpcode.Tuple2);
                break;
            case "shared too often":
                pickle.Op(PickleOpcode.EmptyDict).Tensor("0", "FloatStorage", 10_000, 0, [10_000], [1]).Op(PickleOpcode.Memoize, PickleOpcode.Pop);
                for (int i = 0; i < 200; i++) pickle.Text($"t{i}").Raw((byte)PickleOpcode.BinGet, 0).Op(PickleOpcode.SetItem);
                break;
            case "same name":
                pickle.Op(PickleOpcode.EmptyDict).Text("a").Op(PickleOpcode.EmptyDict).Text("b").Tensor("0", "FloatStorage", 1, 0, [], [])
                    .Op(PickleOpcode.SetItem, PickleOpcode.SetItem)
                    .Text("a.b").Tensor("0", "FloatStorage", 1, 0, [], []).Op(PickleOpcode.SetItem);
                break;
            case "whole model":
                pickle.Global("mine", "Model").Op(PickleOpcode.EmptyTuple, PickleOpcode.NewObj, PickleOpcode.EmptyDict, PickleOpcode.Build);
                break;
            case "number":
                pickle.Integer(5);
                break;
            case "long name":
                pickle.Op(PickleOpcode.EmptyDict).Text(new string('x', 4097)).Op(PickleOpcode.None, PickleOpcode.SetItem);
                break;
            case "too many dimensions":
                pickle.Tensor("0", "FloatStorage", 1, 0, [1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1]);
                break;
            case "too few strides":
                pickle.Tensor("0", "FloatStorage", 1, 0, [1, 1], [1]);
                break;
            case "float size":
                pickle.Global("torch._utils", "_rebuild_tensor").Op(PickleOpcode.Mark).Storage("0", "FloatStorage", 1)
                    .Integer(0).Op(PickleOpcode.NewTrue, PickleOpcode.Tuple1).Tuple(1)
                    .Op(PickleOpcode.Tuple, PickleOpcode.Reduce);
                break;
            case "two descriptions":
                pickle.Storage("0", "FloatStorage", 1).Op(PickleOpcode.Pop).Storage("0", "HalfStorage", 2);
                break;
            case "huge storage":
                pickle.Storage("0", "FloatStorage", long.MaxValue / 2);
                break;
            case "negative storage":
                pickle.Storage("0", "FloatStorage", -1);
                break;
            case "unknown storage":
                pickle.Storage("0", "QInt8Storage", 1);
                break;
        }
        string path = Write(TorchZip.Build(pickle.ToArray(), ("0", new byte[40_000])));
        long before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<MuralException>(() => TorchFile.Open(path));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8_000_000);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ArchivesOfOtherKindsAreRefused()
    {
        byte[] pickle = new PickleBuilder().Op(PickleOpcode.EmptyDict).ToArray();
        AssertRefused(TorchZip.Archive([("a/data.pkl", pickle), ("a/constants.pkl", pickle)]), "TorchScript");
        AssertRefused(TorchZip.Archive([("a/data.pkl", pickle), ("a/code/__torch__.py", [])]), "TorchScript");
        AssertRefused(TorchZip.Archive([("a/data.pkl", pickle), ("b/data.pkl", pickle)]), "2 entries named FOLDER/data.pkl");
        AssertRefused(TorchZip.Archive([("picture.png", pickle)]), "0 entries named FOLDER/data.pkl");
        AssertRefused(TorchZip.Archive([("a/data.pkl", [.. pickle, .. new byte[1000]])], CompressionLevel.Optimal), "compressed");
        AssertRefused(TorchZip.Archive([("a/data.pkl", pickle), ("a/x", []), ("a/x", [])]), "'a/x' twice");
        AssertRefused(TorchZip.Archive([("a/data.pkl", pickle), ("a/byteorder", "middle"u8.ToArray())]), "neither little nor big");
        AssertRefused([0x80, 2, (byte)'N', (byte)'.'], "magic number");
        AssertRefused("Entry not found"u8.ToArray(), "not a checkpoint");
        AssertRefused("{\"error\": \"no such model\"}"u8.ToArray(), "not a PyTorch checkpoint");
        AssertRefused([1, 2, 3, 4, 5, 6, 7, 8, 9], "not a PyTorch checkpoint");
    }

    private void AssertRefused(byte[] content, string message)
    {
        string path = Write(content);
        var error = Assert.Throws<MuralException>(() => TorchFile.Open(path));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    private string Write(byte[] content)
    {
        string path = _folder.At("a.pth");
        File.WriteAllBytes(path, content);
        return path;
    }
}
