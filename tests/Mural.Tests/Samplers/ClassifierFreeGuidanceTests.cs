using Mural.Samplers;

namespace Mural.Tests.Samplers;

public class ClassifierFreeGuidanceTests
{
    [Theory]
    [InlineData(0.7, GuidanceConvention.Official, 0.7)]
    [InlineData(1.7, GuidanceConvention.Common, 0.7)]
    [InlineData(7.5, GuidanceConvention.Common, 6.5)]
    public void BothConventionsFollowTheirFormula(double scale, GuidanceConvention convention, double strength)
    {
        using var scope = NewDisposeScope();
        Tensor x = randn(2, 3, 2, 2, generator: new Generator(1)), condition = tensor([1L, 2L]), none = tensor([9L, 9L]);
        Tensor with = Network(x, 0.5, condition), without = Network(x, 0.5, none);
        Tensor expected = without + (1 + strength) * (with - without);
        foreach (bool batched in new[] { false, true })
            Assert.True(ClassifierFreeGuidance.Wrap(Network, condition, none, new GuidanceOptions(scale, convention, batched))(x, 0.5).allclose(expected, rtol: 1e-5));
    }

    [Theory]
    [InlineData(true, 1, 4)]
    [InlineData(false, 2, 2)]
    public void ConditionalCallComesFirst(bool batched, int calls, long batch)
    {
        using var scope = NewDisposeScope();
        var seen = new List<long[]>();
        Tensor Watch(Tensor x, double time, Tensor condition)
        {
            Assert.Equal(batch, x.shape[0]);
            seen.Add(condition.data<long>().ToArray());
            return Network(x, time, condition);
        }
        ClassifierFreeGuidance.Wrap(Watch, tensor([1L, 2L]), tensor([9L, 9L]), new GuidanceOptions(0.4, Batched: batched))(ones(2, 1, 1, 1), 0.5);
        Assert.Equal(calls, seen.Count);
        Assert.Equal([1L, 2L, 9L, 9L], seen.SelectMany(labels => labels));
    }

    [Theory]
    [InlineData(0, GuidanceConvention.Official)]
    [InlineData(-1, GuidanceConvention.Official)]
    [InlineData(1, GuidanceConvention.Common)]
    public void WithoutGuidanceOnlyTheConditionIsAsked(double scale, GuidanceConvention convention)
    {
        using var scope = NewDisposeScope();
        int calls = 0;
        Tensor Count(Tensor x, double time, Tensor condition)
        {
            calls++;
            return Network(x, time, condition);
        }
        Tensor x = randn(2, 1, 2, 2, generator: new Generator(1)), condition = tensor([1L, 2L]);
        Tensor result = ClassifierFreeGuidance.Wrap(Count, condition, tensor([9L, 9L]), new GuidanceOptions(scale, convention))(x, 0.5);
        Assert.True(result.Equals(Network(x, 0.5, condition)));
        Assert.Equal(1, calls);
    }

    // Depends on the condition, the time and the state, picture by picture.
    private static Tensor Network(Tensor x, double time, Tensor condition) => x * time + condition.to(float32).sin().reshape(-1, 1, 1, 1);
}
