using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Mural.Checkpoints;
using Mural.Runtime;

namespace Mural.Tests.Checkpoints;

public sealed class SafetensorsFileTests : IDisposable
{
    private static readonly ScalarType[] Types = [ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Byte, ScalarType.Bool];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Type, stored bytes, the values they stand for.
    public static TheoryData<string, byte[], double[]> Stored => new()
    {
        { "F8_E4M3", [0x38, 0xB8, 0x01, 0x07, 0x7E, 0x7F, 0xFF, 0x80], [1, -1, 1 / 512.0, 7 / 512.0, 448, double.NaN, double.NaN, 0] },
        { "F8_E5M2", [0x3C, 0xBC, 0x01, 0x7B, 0x7C, 0x7E], [1, -1, 1 / 65536.0, 57344, double.PositiveInfinity, double.NaN] },
        { "F8_E8M0", [127, 128, 0, 254, 255], [1, 2, 5.877471754111438e-39, 1.7014118346046923e38, double.NaN] },
        { "F16", [0x01, 0, 0xFF, 0x03, 0xFF, 0x7B, 0, 0x7C, 0, 0x7E], [5.9604644775390625e-8, 6.097555160522461e-5, 65504, double.PositiveInfinity, double.NaN] },
        { "BF16", [0x80, 0x3F], [1] },
        { "U16", [0xFF, 0xFF, 1, 0], [65535, 1] },
        { "U32", [0xFF, 0xFF, 0xFF, 0xFF], [4294967295] },
        { "U64", [0, 0, 0, 0, 1, 0, 0, 0], [4294967296] },
        { "BOOL", [0, 1, 2, 0xFF], [0, 1, 1, 1] },
        { "I8", [0x80, 0x7F], [-128, 127] },
    };

    [Fact]
    public void WhatWasReadIsNotHeld()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells how much of a file is held.");
        using var scope = NewDisposeScope();
        string path = _folder.At("large.safetensors");
        const long Size = 16 << 20;
        SafetensorsWriter.Save(path, Enumerable.Range(0, 4).ToDictionary(i => $"tensor.{i}", _ => zeros(Size / 2, float16)));
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Tensor place = ones(Size / 2, bfloat16);
        file.CopyInto("tensor.0", place);
        long before = ProcFile.Kilobytes("/proc/self/status", "RssFile")!.Value;
        foreach (string name in file.Tensors.Keys) file.CopyInto(name, place);
        Assert.InRange(ProcFile.Kilobytes("/proc/self/status", "RssFile")!.Value - before, long.MinValue, Size / 2);
        Assert.Equal(0, place.to(float32).abs().sum().item<float>());
    }

    [Theory, MemberData(nameof(Stored))]
    public void StoredTypesKeepTheirValues(string type, byte[] bytes, double[] values)
    {
        using var scope = NewDisposeScope();
        using SafetensorsFile file = SafetensorsFile.Open(Write(type, values.Length, bytes));
        Assert.Equal(type, file.Tensors["x"].Stored);
        Assert.Equal(values, file.Read("x", ScalarType.Float64).data<double>().ToArray());
        Assert.Equal(values, file.Read("x").to(ScalarType.Float64).data<double>().ToArray());
    }

    [Fact]
    public void UnsignedValuesBeyondSigned64BitsAreRefused()
    {
        using SafetensorsFile file = SafetensorsFile.Open(Write("U64", 1, [0, 0, 0, 0, 0, 0, 0, 0x80]));
        Assert.Contains("9223372036854775808", Assert.Throws<MuralException>(() => file.Read("x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ComplexNumbersAreNotTruncatedSilently()
    {
        using var scope = NewDisposeScope();
        string path = _folder.At("a.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["z"] = zeros(2, dtype: ScalarType.ComplexFloat32) });
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Contains("complex", Assert.Throws<MuralException>(() => file.Read("z", ScalarType.Float32)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TensorsAreCopiedIntoAnyLayoutAndParametersKeepTheirGradients()
    {
        using var scope = NewDisposeScope();
        // More elements than are staged at once, and a destination that is contiguous in no dimension.
        Tensor weight = randn(70, 60, 16, 20);
        string path = _folder.At("a.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["weight"] = weight });
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Tensor channelsLast = zeros(70, 16, 20, 60).permute(0, 3, 1, 2), narrow = zeros(70, 60, 16, 20, dtype: ScalarType.BFloat16);
        Tensor parameter = zeros(70, 60, 16, 20, requires_grad: true);
        file.CopyInto("weight", channelsLast);
        file.CopyInto("weight", narrow);
        file.CopyInto("weight", parameter);
        Assert.True(channelsLast.equal(weight).all().item<bool>());
        Assert.True(narrow.equal(weight.to(ScalarType.BFloat16)).all().item<bool>());
        Assert.True(parameter.equal(weight).all().item<bool>());
        Assert.True(parameter.is_leaf && parameter.requires_grad);
        SafetensorsWriter.Save(path + "2", new Dictionary<string, Tensor> { ["weight"] = channelsLast });
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(path + "2"));
    }

    [Fact]
    public void TensorsBeyondTwoAndFourGigabytesAreAddressed()
    {
        using var scope = NewDisposeScope();
        const long Large = (5L << 30) + 3;
        string header = $"{{\"large\":{{\"dtype\":\"U8\",\"shape\":[{Large}],\"data_offsets\":[0,{Large}]}},"
            + $"\"after\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[{Large},{Large + 8}]}}}}";
        string path = _folder.At("large.safetensors");
        byte[] start = SafetensorsHeaderTests.Bytes(header, 0);
        using (FileStream stream = File.Create(path))
        {
            SparseFile.Mark(stream);
            stream.Write(start);
            stream.Position = start.Length + Large;
            byte[] values = new byte[8];
            BinaryPrimitives.WriteSingleLittleEndian(values, 1.25f);
            BinaryPrimitives.WriteSingleLittleEndian(values.AsSpan(4), -3f);
            stream.Write(values);
        }
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(Large, file.Tensors["large"].Elements);
        Assert.Equal([1.25f, -3f], file.Read("after").data<float>().ToArray());
        Assert.Equal(Large + 2, CheckpointSummary.Of(file).Parameters);
    }

    [Fact]
    public void AnyNamesShapesAndTypesSurviveARoundTrip()
    {
        Gen<string> names = ArbMap.Default.GeneratorFor<NonNull<string>>().Select(name => name.Get).Where(name => IsText(name) && name != "__metadata__");
        Gen<(string Name, int[] Shape, ScalarType Type)[]> tensors =
            (from name in names from shape in Gen.Choose(0, 4).ArrayOf() from type in Gen.Elements(Types) select (name, shape, type)).ArrayOf();
        string path = _folder.At("a.safetensors");
        Prop.ForAll(tensors.ToArbitrary(), drawn =>
        {
            using var scope = NewDisposeScope();
            var wanted = new Dictionary<string, Tensor>();
            foreach ((string name, int[] shape, ScalarType type) in drawn) wanted[name] = (rand([.. shape.Take(5).Select(size => (long)size)]) * 9).to(type);
            SafetensorsWriter.Save(path, wanted, wanted.Keys.ToDictionary(key => key, key => key));
            using SafetensorsFile file = SafetensorsFile.Open(path);
            Assert.Equal(wanted.Keys.Order(StringComparer.Ordinal), file.Tensors.Keys.Order(StringComparer.Ordinal));
            Assert.All(wanted.Keys, key => Assert.Equal(key, file.Metadata[key]));
            foreach ((string name, Tensor tensor) in wanted) Assert.Equal(tensor.bytes.ToArray(), file.Read(name).bytes.ToArray());
        }).Check(Config.QuickThrowOnFailure.WithReplay(1, 3).WithQuietOnSuccess(true));
    }

    [Fact]
    public void ADisposedFileSaysSo()
    {
        SafetensorsFile file = SafetensorsFile.Open(Write("BF16", 1, [0x80, 0x3F]));
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Read("x"));
    }

    private static bool IsText(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) == text;

    private string Write(string type, int elements, byte[] data)
    {
        string path = _folder.At("x.safetensors");
        byte[] start = SafetensorsHeaderTests.Bytes($"{{\"x\":{{\"dtype\":\"{type}\",\"shape\":[{elements}],\"data_offsets\":[0,{data.Length}]}}}}", 0);
        File.WriteAllBytes(path, [.. start, .. data]);
        return path;
    }
}
