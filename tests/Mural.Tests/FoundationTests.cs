using Mural.Tests.Goldens;

namespace Mural.Tests;

public class FoundationTests
{
    [Fact]
    public void GoldenCasesOpen()
    {
        Assert.NotEmpty(GoldenCase.Names("dim", golden => golden.Has("in.x")));
    }
}
