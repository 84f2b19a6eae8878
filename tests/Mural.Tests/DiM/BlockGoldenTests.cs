using Mural.DiM;
using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using Mural.Tests.Goldens;
using TorchSharp.Modules;

namespace Mural.Tests.DiM;

[Trait("Area", "dim")]
public class BlockGoldenTests
{
    public static TheoryData<string, KernelSet> Mixers => WithKernels(golden => golden.Has("w.in_proj.weight") && golden.Has("in.u"));

    public static TheoryData<string, KernelSet> Blocks => WithKernels(golden => golden.Has("in.m") && golden.Config["block"] is not null);

    [GoldenTheory, MemberData(nameof(Mixers))]
    public void MixerAndItsGradients(string name, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using var mixer = new MambaMixer(Shape(golden), null);
        mixer.UseKernels(kernels);
        using (no_grad())
            foreach ((string key, Parameter parameter) in mixer.named_parameters()) parameter.copy_(golden.Get("w." + key));
        Tensor input = golden.Get("in.u").requires_grad_();

        Tensor output = mixer.Forward(input, null);
        golden.AssertMatches("out.y", output);
        output.backward([golden.Get("in.cot")]);
        golden.AssertMatches("out.grad_u", input.grad!);
        foreach ((string key, Parameter parameter) in mixer.named_parameters()) golden.AssertMatches("out.grad_" + key, parameter.grad!);
    }

    [GoldenTheory, MemberData(nameof(Blocks))]
    public void BlockAndItsGradients(string name, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        model.UseKernels(kernels);
        int index = golden.Config["block"]!.GetValue<int>();
        ScanDirection direction = GoldenModels.Direction(golden.Config["order_out"]!.GetValue<string>());
        Assert.Equal(direction, ScanOrders.Schedule(model.Config.Blocks)[index]);
        TokenGrid padded = GoldenModels.Grid(golden).Padded(model.Config.PadLength);
        ScanOrder? before = ScanOrders.Of(padded, model.Config.FrontTokens, GoldenModels.Direction(golden.Config["order_in"]!.GetValue<string>()));
        ScanOrder? after = ScanOrders.Of(padded, model.Config.FrontTokens, direction);
        Tensor stream = golden.Get("in.x").requires_grad_(), modulation = golden.Get("in.m").requires_grad_();
        Tensor? skip = golden.Has("in.skip") ? golden.Get("in.skip").requires_grad_() : null;

        DiMBlock block = model.Blocks[index];
        Tensor output = block.Forward(
            GoldenModels.ToStorage(stream, before), modulation.view(modulation.shape[0], 3, -1),
            skip is null ? null : GoldenModels.ToStorage(skip, before), after, ScalarType.Float32);
        Tensor scanned = GoldenModels.ToScanOrder(output, after);
        golden.AssertMatches("out.y", scanned);
        scanned.backward([golden.Get("in.cot")]);
        golden.AssertMatches("out.grad_x", stream.grad!);
        golden.AssertMatches("out.grad_m", modulation.grad!);
        if (skip is not null) golden.AssertMatches("out.grad_skip", skip.grad!);
        foreach ((string key, Parameter parameter) in block.named_parameters()) golden.AssertMatches("out.grad." + key, parameter.grad!);
    }

    // Mamba may be given another rank than the sixteenth of its width that is usual.
    private static MambaShape Shape(GoldenCase golden)
    {
        int? Number(string key) => golden.Config[key]?.AsValue().TryGetValue(out int number) == true ? number : null;
        int width = Number("width")!.Value;
        return new MambaShape(width, width * Number("expand")!.Value, Number("dt_rank") ?? (width + 15) / 16, Number("d_state")!.Value, Number("d_conv")!.Value);
    }

    private static TheoryData<string, KernelSet> WithKernels(Func<GoldenCase, bool> accepts)
    {
        var cases = new TheoryData<string, KernelSet>();
        foreach (TheoryDataRow<string> row in GoldenCase.Names("dim", accepts))
            foreach (KernelSet kernels in Enum.GetValues<KernelSet>()) cases.Add(row.Data, kernels);
        return cases;
    }
}
