using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The scan kernel as an operator that libtorch can differentiate. It saves its inputs, and states at a few places however many tokens there are.</summary>
internal sealed class SelectiveScanFunction : autograd.MultiTensorFunction<SelectiveScanFunction>
{
    private const string CallKey = "call";

    public override string Name => nameof(SelectiveScanFunction);

    internal static Tensor Apply(in ScanInputs inputs, ScanCall call) =>
        apply(inputs.U, inputs.Delta, inputs.Rates, inputs.B, inputs.C, inputs.Skip, inputs.Z!, inputs.DeltaBias!, call)[0];

    public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var tensors = new Tensor[vars.Length - 1];
        for (int i = 0; i < tensors.Length; i++) tensors[i] = (Tensor)vars[i];
        var call = (ScanCall)vars[^1];
        (Tensor output, Tensor? states) = SelectiveScanKernel.ForwardWithStates(ToInputs(tensors, call), call);
        ctx.save_for_backward([.. tensors, states!]);
        ctx.save_data(CallKey, call);
        return [output];
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        using DisposeScope scope = NewDisposeScope();
        var call = (ScanCall)ctx.get_data(CallKey);
        List<Tensor> saved = ctx.get_saved_variables();
        List<Tensor?> gradients = SelectiveScanKernel.Backward(ToInputs(saved, call), call, saved[^1], grad_outputs[0]);
        gradients.Add(null);
        return BackwardResults.Hand(gradients, grad_outputs)!;
    }

    private static ScanInputs ToInputs(IReadOnlyList<Tensor> tensors, ScanCall call) =>
        new(tensors[0], tensors[1], tensors[2], tensors[3], tensors[4], tensors[5], tensors[6], tensors[7], call.Order);
}
