using Mural.Checkpoints;
using Mural.Tests.Checkpoints.SingleFile;
using Mural.Tests.Goldens;

namespace Mural.Tests.Checkpoints.StableDiffusion;

/// <summary>Folders of tiny Stable Diffusions among the goldens.</summary>
internal static class TinyModels
{
    /// <summary>Their names: those that a table of the area <c>single-file</c> describes.</summary>
    internal static TheoryData<string> Names => SingleFileTable.Names(table => table.Shapes is null);

    internal static string Folder(string name) => GoldenCase.Model(name);

    /// <summary>Fails unless both have the same tensors, in the given type or, without one, in the first's.</summary>
    internal static void AssertSame(ITensorSource expected, ITensorSource actual, ScalarType? type = null, Func<string, string>? rename = null)
    {
        rename ??= static name => name;
        Assert.Equal(expected.Tensors.Keys.Select(rename).Order(StringComparer.Ordinal), actual.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (string name in expected.Tensors.Keys)
        {
            using Tensor want = expected.Read(name, type), got = actual.Read(rename(name));
            Assert.Equal(want.dtype, got.dtype);
            Assert.Equal(want.shape, got.shape);
            Assert.True(want.equal(got).all().item<bool>(), name);
        }
    }

    /// <summary>Fails unless both modules have the same parameters.</summary>
    internal static void AssertSame(nn.Module expected, nn.Module actual)
    {
        Dictionary<string, Tensor> want = ModuleWeights.Places(expected), got = ModuleWeights.Places(actual);
        Assert.Equal(want.Keys.Order(StringComparer.Ordinal), got.Keys.Order(StringComparer.Ordinal));
        foreach ((string name, Tensor tensor) in want) Assert.True(tensor.equal(got[name]).all().item<bool>(), name);
    }
}
