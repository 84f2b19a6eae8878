using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Two-dimensional convolution with a square kernel. The weight is cast to the input's type, so that float32 masters train in bfloat16.</summary>
internal sealed class Conv2d : nn.Module<Tensor, Tensor>
{
    private readonly Parameter _weight;
    private readonly Parameter? _bias;
    private readonly long[] _stride;
    private readonly long[] _padding;
    private readonly long _groups;

    internal Conv2d(long inputs, long outputs, int kernel, int stride = 1, int padding = 0, long groups = 1, bool bias = true) : base(nameof(Conv2d))
    {
        _stride = [stride, stride];
        _padding = [padding, padding];
        _groups = groups;
        double bound = 1 / Math.Sqrt((double)inputs / groups * kernel * kernel);
        _weight = this.Register("weight", nn.init.uniform_(empty(outputs, inputs / groups, kernel, kernel), -bound, bound));
        _bias = bias ? this.Register("bias", nn.init.uniform_(empty(outputs), -bound, bound)) : null;
    }

    internal Parameter Weight => _weight;

    internal Parameter? Bias => _bias;

    public override Tensor forward(Tensor input)
    {
        using Tensor weight = _weight.to(input.dtype);
        using Tensor? bias = _bias?.to(input.dtype);
        return nn.functional.conv2d(input, weight, bias, _stride, _padding, groups: _groups);
    }
}
