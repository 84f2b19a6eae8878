using Mural.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>A layer that has more than one implementation of its work.</summary>
internal interface IKernelSelectable
{
    /// <summary>Chooses the implementation for the runs that follow, in training too.</summary>
    void UseKernels(KernelSet kernels);
}

/// <summary>A layer that can hold its weights in the form that inference runs fastest on.</summary>
internal interface IFreezable
{
    /// <summary>
    /// Casts the weights to <paramref name="type"/>, packs them where <paramref name="kernels"/> asks for it, and lets the originals go: no second copy
    /// of the model is kept. The layer cannot be trained, saved or moved afterwards.
    /// </summary>
    void Freeze(KernelSet kernels, ScalarType type);
}

/// <summary>What every module of Mural does with its children, whose registered names are the checkpoint's names.</summary>
internal static class ModuleExtensions
{
    // Packed weights rarely fit where an original has been: its place is given back to the system from time to time, or half a model would be held for nothing.
    private const long ReleasedAtOnce = 128 << 20;

    /// <summary>Registers <paramref name="child"/> under the checkpoint's name and returns it.</summary>
    internal static T Register<T>(this nn.Module parent, string name, T child) where T : nn.Module
    {
        parent.register_module(name, child);
        return child;
    }

    /// <summary>
    /// Registers <paramref name="child"/> under a name of several levels, such as <c>emb.class_embedder</c>, where the checkpoint nests deeper than the method.
    /// </summary>
    internal static T RegisterAt<T>(this nn.Module parent, string path, T child) where T : nn.Module
    {
        string[] names = path.Split('.');
        nn.Module place = parent;
        foreach (string name in names[..^1])
            place = place.named_children().FirstOrDefault(known => known.name == name).module ?? place.Register(name, new Level(name));
        return place.Register(names[^1], child);
    }

    /// <summary>Registers a learned tensor under the checkpoint's name and returns it.</summary>
    internal static Parameter Register(this nn.Module parent, string name, Tensor value)
    {
        // A module outlives the dispose scope it happens to be built in.
        var parameter = new Parameter(value);
        parameter.DetachFromDisposeScope();
        parent.register_parameter(name, parameter);
        return parameter;
    }

    /// <summary>Switches every layer below <paramref name="module"/> to the given kernels.</summary>
    internal static void UseKernels(this nn.Module module, KernelSet kernels)
    {
        foreach (nn.Module child in module.AndDescendants())
            if (child is IKernelSelectable selectable) selectable.UseKernels(kernels);
    }

    /// <summary>Makes a loaded module ready for inference: chooses kernels and freezes every layer that can be. There is no way back.</summary>
    internal static void Freeze(this nn.Module module, KernelSet kernels, ScalarType type)
    {
        module.eval();
        module.UseKernels(kernels);
        long released = 0;
        foreach (nn.Module child in module.AndDescendants())
        {
            if (child is not IFreezable freezable) continue;
            released += child.parameters().Sum(parameter => parameter.numel() * parameter.element_size());
            freezable.Freeze(kernels, type);
            if (released < ReleasedAtOnce) continue;
            Allocator.Trim();
            released = 0;
        }
        Allocator.Trim();
    }

    // TorchSharp's modules() leaves the module itself out.
    private static IEnumerable<nn.Module> AndDescendants(this nn.Module module) => module.modules().Prepend(module).Distinct();

    // A level of names without parameters of its own.
    private sealed class Level(string name) : nn.Module(name);
}
