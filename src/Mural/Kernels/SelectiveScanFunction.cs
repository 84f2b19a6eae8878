using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The scan kernel as an operator that libtorch can differentiate. It saves its inputs and nothing else.</summary>
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
        ctx.save_for_backward([.. tensors]);
        ctx.save_data(CallKey, call);
        return [SelectiveScanKernel.Forward(ToInputs(tensors, call), call)];
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
    {
        using DisposeScope scope = NewDisposeScope();
        var call = (ScanCall)ctx.get_data(CallKey);
        ScanInputs inputs = ToInputs(ctx.get_saved_variables(), call);
        List<Tensor?> gradients = SelectiveScanKernel.Backward(inputs, call, grad_outputs[0]);
        gradients.Add(null);
        return BackwardResults.Hand(gradients, grad_outputs)!;
    }

    private static ScanInputs ToInputs(IReadOnlyList<Tensor> tensors, ScanCall call) =>
        new(tensors[0], tensors[1], tensors[2], tensors[3], tensors[4], tensors[5], tensors[6], tensors[7], call.Order);
}
