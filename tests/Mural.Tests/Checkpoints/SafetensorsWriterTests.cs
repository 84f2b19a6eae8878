using Mural.Checkpoints;

namespace Mural.Tests.Checkpoints;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<ScalarType> Types =>
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32,
        ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool, ScalarType.ComplexFloat32,
    ];

    [Theory, MemberData(nameof(Types))]
    public void EveryTypeAndShapeComesBackAsItWas(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>();
        foreach (long[] shape in new long[][] { [], [1], [0, 3], [5], [2, 3, 4], [1, 1, 1, 1, 7] })
            tensors[$"of [{string.Join(",", shape)}]"] = (rand(shape) * 100 - 20).to(type);
        tensors["transposed \"ünïcode\""] = (rand(7, 3) * 50).to(type).t();
        string path = _folder.At("a.safetensors");

        SafetensorsWriter.Save(path, tensors, new Dictionary<string, string> { ["note"] = "a \"quoted\" line\n" });

        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal("a \"quoted\" line\n", file.Metadata["note"]);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal(tensors.Keys.Order(StringComparer.Ordinal), file.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach ((string name, Tensor wanted) in tensors)
        {
            Tensor got = file.Read(name);
            Assert.Equal(type, got.dtype);
            Assert.Equal(wanted.shape, got.shape);
            Assert.True(got.equal(wanted).all().item<bool>());
        }
        Assert.Equal(["a.safetensors"], _folder.Names);
    }

    [Fact]
    public void TensorsAreAlignedAndOrderedBySizeThenName()
    {
        using var scope = NewDisposeScope();
        string path = _folder.At("a.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor>
        {
            ["a"] = zeros(3, dtype: ScalarType.Byte),
            ["c"] = zeros(3, dtype: ScalarType.Float32),
            ["b"] = zeros(3, dtype: ScalarType.Float32),
            ["d"] = zeros(1, dtype: ScalarType.Int64),
            ["e"] = zeros(1, dtype: ScalarType.BFloat16),
        });
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal(["d", "b", "c", "e", "a"], file.Tensors.Values.OrderBy(entry => entry.Offset).Select(entry => entry.Name));
        Assert.Equal(0, file.Tensors["d"].Offset % 8);
    }

    [Fact]
    public void OnlyFloatingPointTensorsAreConverted()
    {
        using var scope = NewDisposeScope();
        Tensor weight = randn(1500, 1000).t(), steps = arange(5);
        string path = _folder.At("a.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["weight"] = weight, ["steps"] = steps }, type: ScalarType.BFloat16);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Assert.Equal("BF16", file.Tensors["weight"].Stored);
        Assert.Equal("I64", file.Tensors["steps"].Stored);
        Assert.True(file.Read("weight").equal(weight.to(ScalarType.BFloat16)).all().item<bool>());
        Assert.True(file.Read("weight", ScalarType.Float32).equal(weight.to(ScalarType.BFloat16).to(ScalarType.Float32)).all().item<bool>());
    }

    [Fact]
    public void ValuesBeyondFloat16AreRefusedByName()
    {
        using var scope = NewDisposeScope();
        string path = _folder.At("a.safetensors");
        var error = Assert.Throws<MuralException>(() => SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["large"] = full(3, 1e5f) }, type: ScalarType.Float16));
        Assert.Contains("large", error.Message, StringComparison.Ordinal);
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["infinite"] = full(3, float.PositiveInfinity) }, type: ScalarType.Float16);
    }

    [Fact]
    public void AFailingSaveLeavesTheOldFileAndNothingElse()
    {
        using var scope = NewDisposeScope();
        string path = _folder.At("a.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["x"] = ones(3) });
        byte[] before = File.ReadAllBytes(path);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["y"] = ones(9) }, cancellationToken: cancelled.Token));
        Assert.Throws<MuralException>(() => SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["a"] = ones(9), ["z"] = full(3, 1e9) }, type: ScalarType.Float16));
        Assert.Throws<MuralException>(() => SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["complex"] = zeros(2, dtype: ScalarType.ComplexFloat64) }));
        Assert.Throws<MuralException>(() => SafetensorsWriter.Save(_folder.Path, new Dictionary<string, Tensor> { ["y"] = ones(9) }));
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Equal(["a.safetensors"], _folder.Names);
    }
}
