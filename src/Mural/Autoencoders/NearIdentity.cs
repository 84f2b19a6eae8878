using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>
/// Starting weights for training an autoencoder: residual branches begin silent (Zhang et al., arXiv 1901.09321), and resampling convolutions begin as plain averaging and plain
/// repetition. The untrained network then carries each area's colour from end to end, so that colours come first and details follow; from PyTorch's
/// defaults it learns outlines first and needs hours for colours.
/// </summary>
internal static class NearIdentity
{
    private const double Rest = 0.1;

    /// <summary>Changes the weights in place.</summary>
    internal static void Apply(AutoencoderKL model)
    {
        using var quiet = no_grad();
        foreach ((string name, Parameter parameter) in model.named_parameters())
        {
            using var scope = NewDisposeScope();
            if (name.Contains(".conv2.", StringComparison.Ordinal) || name.Contains(".to_out.", StringComparison.Ordinal)) parameter.zero_();
            else if (name.EndsWith("samplers.0.conv.weight", StringComparison.Ordinal))
            {
                long channels = parameter.shape[0];
                Tensor own = eye(channels, device: parameter.device).reshape(channels, channels, 1, 1);
                Tensor taps = name.Contains("downsamplers", StringComparison.Ordinal) ? full([1, 1, 3, 3], 1 / 9f, device: parameter.device) : Centre(parameter.device);
                parameter.mul_(Rest).add_(own * taps);
            }
        }
    }

    private static Tensor Centre(Device device)
    {
        Tensor taps = zeros([1, 1, 3, 3], device: device);
        taps[0, 0, 1, 1] = tensor(1f, device: device);
        return taps;
    }
}
