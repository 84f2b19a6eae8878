namespace Mural.Tests.Runtime.Random;

internal static class SameTensors
{
    /// <summary>Whether type, shape and every value are the same.</summary>
    internal static bool IsSameAs(this Tensor one, Tensor other) =>
        one.dtype == other.dtype && one.shape.SequenceEqual(other.shape) && (one == other).all().item<bool>();
}
