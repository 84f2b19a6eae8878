using Mural.Runtime;

namespace Mural.Tests.Runtime.Random;

public class RandomStateTests
{
    public static TheoryData<string> Kinds => ["cpu", "cuda"];

    private static RandomSource Make(string kind, long seed) => kind == "cpu" ? new SeededRandom(seed) : new PhiloxRandom(seed);

    [Theory, MemberData(nameof(Kinds))]
    public void ARestoredSourceGoesOnWhereItWas(string kind)
    {
        using var scope = NewDisposeScope();
        using RandomSource first = Make(kind, 11), second = Make(kind, 11);
        // An odd small request leaves a normal in PyTorch's generator that belongs to the state.
        first.Normal([3]);
        byte[] state = first.SaveState();
        Tensor[] expected = [first.Normal([2]), first.Normal([17]), first.Normal([1])];
        second.RestoreState(state);
        Assert.All(expected, tensor => Assert.True(tensor.IsSameAs(second.Normal(tensor.shape))));
        first.RestoreState(state);
        Assert.True(expected[0].IsSameAs(first.Normal([2])));
    }

    [Theory, MemberData(nameof(Kinds))]
    public void BytesThatAreNoStateAreRefused(string kind)
    {
        using RandomSource random = Make(kind, 11), other = Make(kind, 12);
        byte[] good = random.SaveState();
        foreach (byte[] bad in (byte[][])[[], good[..^1], [.. good, 0], new byte[good.Length], [.. Enumerable.Repeat((byte)255, good.Length)]])
            Assert.Throws<MuralException>(() => random.RestoreState(bad));
        Assert.Equal(good, random.SaveState());
    }

    [Fact]
    public void EveryImpossiblePositionInTheGeneratorsStateIsRefused()
    {
        using var random = new SeededRandom(1);
        foreach ((int offset, byte value) in ((int, byte)[])[(8, 0), (9, 200), (12, 0), (17, 200), (23, 1)])
        {
            byte[] state = random.SaveState();
            if (offset == 8) state.AsSpan(8, 4).Clear();
            state[offset] = value;
            Assert.Throws<MuralException>(() => random.RestoreState(state));
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void NoTensorStaysBehind(string kind)
    {
        using RandomSource random = Make(kind, 1);
        LiveTensors.AssertFlat(() =>
        {
            using Tensor small = random.Normal([3]), half = random.Normal([33], ScalarType.BFloat16), full = random.Normal([2, 16]);
            random.RestoreState(random.SaveState());
            if (random is not SeededRandom seeded) return;
            using Tensor uniform = seeded.Uniform([5], ScalarType.Float16), whole = seeded.Integers(0, 5, [3]), order = seeded.Permutation(4);
        });
    }
}
