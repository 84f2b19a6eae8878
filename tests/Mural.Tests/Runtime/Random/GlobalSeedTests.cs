using Mural.Runtime;

namespace Mural.Tests.Runtime.Random;

public class GlobalSeedTests
{
    [Fact]
    public void TheStreamGoesOnAsIfNothingHadBeenDrawn()
    {
        using var scope = NewDisposeScope();
        Tensor before = get_rng_state(), seeded;
        using (new GlobalSeed(7)) seeded = rand(3);
        Assert.True(before.equal(get_rng_state()).all().item<bool>());
        using (new GlobalSeed(7)) Assert.True(seeded.equal(rand(3)).all().item<bool>());
    }
}
