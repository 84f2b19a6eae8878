using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Tests.Goldens;

namespace Mural.Tests.Checkpoints;

/// <summary>Files of torch.save, good, broken and hostile.</summary>
[Trait("Area", "dim")]
public class TorchFileGoldenTests
{
    private static readonly string[] HarmDone = ["UNSAFE_PICKLE_RAN", "escaped.txt"];

    public static TheoryData<string, string> Files => GoldenTorchFile.Names(_ => true);

    [GoldenTheory, MemberData(nameof(Files))]
    public void AFileIsReadOrRefusedAsDescribed(string list, string file)
    {
        using var scope = NewDisposeScope();
        GoldenTorchFile golden = GoldenTorchFile.Open(list, file);
        string path = golden.Path, expect = golden.About["expect"]!.GetValue<string>();
        bool mayRead = expect.Contains("read", StringComparison.Ordinal), mayRefuse = expect.Contains("refuse", StringComparison.Ordinal);
        try
        {
            using ITensorSource source = Checkpoint.Open(path);
            Assert.True(mayRead, $"{file} was read, although: {expect}");
            if (golden.Contents is { } contents) AssertSameTensors(contents, source);
            foreach ((string name, JsonNode? value) in golden.About["plain"]?.AsObject() ?? [])
                Assert.Equal(value?.ToJsonString(), Assert.IsType<TorchFile>(source).Values[name]?.ToJsonString());
        }
        catch (MuralException error)
        {
            Assert.True(mayRefuse, $"{file} was refused ({error.Message}), although: {expect}");
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
            if (expect.Contains("not a checkpoint", StringComparison.Ordinal)) Assert.Contains("not a checkpoint", error.Message, StringComparison.Ordinal);
        }
        for (DirectoryInfo? parent = Directory.GetParent(path); parent is not null; parent = parent.Parent)
            Assert.All(HarmDone, name => Assert.False(File.Exists(Path.Combine(parent.FullName, name))));
        Assert.All(HarmDone, name => Assert.False(File.Exists(name)));
    }

    private static void AssertSameTensors(string path, ITensorSource source)
    {
        using SafetensorsFile wanted = SafetensorsFile.Open(path);
        Assert.Equal(wanted.Tensors.Keys.Order(StringComparer.Ordinal), source.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (string name in wanted.Tensors.Keys)
        {
            using Tensor want = wanted.Read(name), got = source.Read(name), wide = source.Read(name, ScalarType.Float64), wantWide = want.to(ScalarType.Float64);
            Assert.Equal(want.dtype, got.dtype);
            Assert.Equal(want.shape, got.shape);
            Assert.Equal(want.bytes.ToArray(), got.bytes.ToArray());
            Assert.Equal(wantWide.bytes.ToArray(), wide.bytes.ToArray());
        }
    }
}
