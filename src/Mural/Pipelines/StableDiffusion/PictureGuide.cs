using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A picture that is attended to beside the texts of a run (Stable Diffusion specification 7.2).</summary>
internal sealed class PictureGuide : IDisposable
{
    private readonly PicturePrompt _prompt;
    private readonly Tensor _negative, _positive;

    internal PictureGuide(PicturePrompt prompt)
    {
        _prompt = prompt;
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = prompt.Adapter.Project(prompt.Features ?? prompt.Adapter.Look(prompt.Picture));
        _negative = tokens.narrow(0, 0, 1).DetachFromDisposeScope();
        _positive = tokens.narrow(0, 1, 1).DetachFromDisposeScope();
    }

    /// <summary>Lets each text's latents attend to the picture, or those of the negative one to no picture.</summary>
    /// <param name="prompt">What the UNet has prepared of the texts.</param>
    /// <param name="group">The texts.</param>
    /// <param name="copies">How many latents each has.</param>
    internal void AddTo(PreparedPrompt prompt, IReadOnlyList<GuidingText> group, int copies)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tokens = cat([.. group.SelectMany(text => Enumerable.Repeat(text.IsNegative ? _negative : _positive, copies))]);
        _prompt.Adapter.AddTo(prompt, tokens, _prompt.Scale);
    }

    public void Dispose()
    {
        _negative.Dispose();
        _positive.Dispose();
    }
}
