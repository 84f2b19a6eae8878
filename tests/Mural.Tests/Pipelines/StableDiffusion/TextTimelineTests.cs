using Mural.Pipelines;

namespace Mural.Tests.Pipelines;

public class TextTimelineTests
{
    // A1111 counts calls from 0 and compares them with steps that are counted from 1.
    [Fact]
    public void ATextHoldsForOneCallMoreThanItsStep()
    {
        GuidingTexts first = new(null, []), second = new(null, []), third = new(null, []);
        using var timeline = new TextTimeline([(1, first), (2, second), (4, third)], []);
        Assert.Equal([first, first, second, third], Enumerable.Range(0, 4).Select(timeline.At));
    }
}
