using TorchSharp.Modules;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>A layer that has more than one implementation of its work.</summary>
internal interface IKernelSelectable
{
    /// <summary>Chooses the implementation for the inference runs that follow; called once after loading.</summary>
    void UseKernels(KernelSet kernels);
}

/// <summary>What every module of Mural does with its children, whose registered names are the checkpoint's names.</summary>
internal static class ModuleExtensions
{
    /// <summary>Registers <paramref name="child"/> under the checkpoint's name and returns it.</summary>
    internal static T Register<T>(this nn.Module parent, string name, T child) where T : nn.Module
    {
        parent.register_module(name, child);
        return child;
    }

    /// <summary>Registers a learned tensor under the checkpoint's name and returns it.</summary>
    internal static Parameter Register(this nn.Module parent, string name, Tensor value)
    {
        var parameter = new Parameter(value);
        parent.register_parameter(name, parameter);
        return parameter;
    }

    /// <summary>Switches every layer below <paramref name="module"/> to the given kernels.</summary>
    internal static void UseKernels(this nn.Module module, KernelSet kernels)
    {
        foreach (nn.Module child in module.modules())
            if (child is IKernelSelectable selectable) selectable.UseKernels(kernels);
    }
}
