using Mural.Layers.Strips;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>A UNet on strips of its maps, with skips in memory or on the disk, gives what it gives on whole maps.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class UNetStripTests
{
    // Single rows and a few tokens; some rows and many tokens.
    private static readonly long[] Strips = [6_000, 60_000];

    private static string[] Names => [.. GoldenCase
        .Names(LinFusionGoldens.Area, golden => golden.Config["linfusion"] is not null && golden.Has("in.sample") && golden.Has("in.timestep") && golden.Has("out.sample"))
        .Select(row => row.Data)];

    public static TheoryData<string, bool> Cases
    {
        get
        {
            var rows = new TheoryData<string, bool>();
            foreach (string name in Names)
                foreach (bool linear in new[] { true, false }) rows.Add(name, linear);
            return rows;
        }
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void StripsGiveWhatTheOfficialCodeGives(string name, bool linear)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using UNet2DConditionModel network = Network(golden, linear);
        Tensor sample = golden.Get("in.sample"), time = golden.Get("in.timestep").reshape(-1);
        foreach (long bytes in Strips)
        {
            var parts = new List<Tensor>();
            var options = new StripOptions { StripBytes = bytes, Folder = bytes == Strips[1] ? Path.GetTempPath() : null };
            for (int i = 0; i < sample.shape[0]; i++)
            {
                using PreparedPrompt prompt = Prompt(golden, network, i);
                parts.Add(network.ForwardInStrips(sample.narrow(0, i, 1), time.narrow(0, Math.Min(i, time.shape[0] - 1), 1), prompt, options));
            }
            Tensor painted = cat(parts);
            // The goldens are of linear attention; softmax is compared with whole maps.
            if (linear) golden.AssertMatches("out.sample", painted);
            else Assert.True(LinFusionGoldens.Distance(painted, Whole(golden, network)) < 1e-5, $"{LinFusionGoldens.Distance(painted, Whole(golden, network))}");
        }
    }

    [Fact]
    public void DilatedConvolutionsSeeTheRowsThatTheyNeed()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using GoldenCase golden = Any();
        using UNet2DConditionModel network = Network(golden, linear: true);
        using IDisposable dilated = network.Dilate(3);
        using PreparedPrompt prompt = Prompt(golden, network, 0);
        Tensor sample = golden.Get("in.sample").narrow(0, 0, 1), time = golden.Get("in.timestep").reshape(-1);
        Tensor whole = network.Forward(sample, time, prompt), strips = network.ForwardInStrips(sample, time, prompt, new StripOptions { StripBytes = 6_000 });
        Assert.True(LinFusionGoldens.Distance(strips, whole) < 1e-5);
    }

    [Fact]
    public void TensorsAreGivenBack()
    {
        using var quiet = no_grad();
        using GoldenCase golden = Any();
        using UNet2DConditionModel network = Network(golden, linear: true);
        using PreparedPrompt prompt = Prompt(golden, network, 0);
        foreach (string? folder in new[] { null, Path.GetTempPath() })
            LiveTensors.AssertFlat(() =>
            {
                using var scope = NewDisposeScope();
                network.ForwardInStrips(golden.Get("in.sample").narrow(0, 0, 1), golden.Get("in.timestep"), prompt, new StripOptions { StripBytes = 60_000, Folder = folder });
            });
    }

    // Maps in memory that a run holds when one on the disk cannot be made.
    [Fact]
    public void EndedRunLeavesNothingBehind()
    {
        using var quiet = no_grad();
        using GoldenCase golden = Any();
        using UNet2DConditionModel network = Network(golden, linear: true);
        using PreparedPrompt prompt = Prompt(golden, network, 0);
        var options = new StripOptions { StripBytes = 60_000, Folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()) };
        LiveTensors.AssertFlat(() =>
        {
            using var scope = NewDisposeScope();
            Assert.Throws<MuralException>(() => network.ForwardInStrips(golden.Get("in.sample").narrow(0, 0, 1), golden.Get("in.timestep"), prompt, options));
        });
    }

    private static GoldenCase Any()
    {
        string? name = Names.FirstOrDefault();
        Assert.SkipWhen(GoldenCase.RootIsGiven && name is null, "the golden cases given have no UNet with linear attention");
        return GoldenCase.Open(LinFusionGoldens.Area, name!);
    }

    private static UNet2DConditionModel Network(GoldenCase golden, bool linear)
    {
        UNet2DConditionModel network = UNetGoldens.Load(golden);
        if (linear) network.LoadLinFusion(LinFusionGoldens.Folder(golden));
        network.PrepareForInference(KernelSet.Mural, float32);
        return network;
    }

    private static PreparedPrompt Prompt(GoldenCase golden, UNet2DConditionModel network, int? index)
    {
        Tensor? Of(string name) => !golden.Has(name) ? null : index is { } i ? golden.Get(name).narrow(0, i, 1) : golden.Get(name);
        return network.Prepare(new UNetConditioning(Of("in.encoder_hidden_states")!) { PooledText = Of("in.text_embeds"), SizeNumbers = Of("in.time_ids") });
    }

    private static Tensor Whole(GoldenCase golden, UNet2DConditionModel network)
    {
        using PreparedPrompt prompt = Prompt(golden, network, null);
        return network.Forward(golden.Get("in.sample"), golden.Get("in.timestep").reshape(-1), prompt);
    }
}
