using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>A module that registers each of its children itself, under the checkpoint's name, and holds no parameters of its own.</summary>
internal abstract class NamedModule(string name) : nn.Module(name)
{
    // TorchSharp would list the children once more under their fields' names.
    protected override void RegisterComponents() { }
}
