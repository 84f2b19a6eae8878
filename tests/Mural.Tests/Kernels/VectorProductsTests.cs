using System.Runtime.Intrinsics;
using Mural.Kernels;

namespace Mural.Tests.Kernels;

public unsafe class VectorProductsTests
{
    public static TheoryData<int> Widths => OperatorCheck.Widths;

    [Theory, MemberData(nameof(Widths))]
    public void EqualsTheProduct(int width)
    {
        foreach (int m in (int[])[1, 2, 5, 6, 7, 13])
            foreach (int k in (int[])[1, 3, 40])
                foreach (int tiles in (int[])[1, 3])
                    foreach (bool add in (bool[])[false, true])
                        Check((VectorWidth)width, m, k, tiles, add);
    }

    [Fact]
    public void Float32ProductsOfLibtorchAreEqualToo()
    {
        Assert.SkipUnless(Float32Products.Available, "this processor or this libtorch has no such products");
        using var scope = NewDisposeScope();
        foreach (int n in (int[])[16, 64])
        {
            (Tensor a, Tensor b, Tensor c, Tensor expected) = Matrices(13, n, 9, add: true);
            Float32Products.Multiply(13, n, 9, TensorData.Floats(a), 11, TensorData.Floats(b), n, TensorData.Floats(c), n, add: true);
            Close.Assert(expected, c, 1e-6, $"{n} columns");
        }
    }

    private static void Check(VectorWidth width, int m, int k, int tiles, bool add)
    {
        using var scope = NewDisposeScope();
        int n = tiles * width switch
        {
            VectorWidth.Bits512 => VectorProducts<Lanes512, Vector512<float>>.TileColumns,
            VectorWidth.Bits256 => VectorProducts<Lanes256, Vector256<float>>.TileColumns,
            VectorWidth.Bits128 => VectorProducts<Lanes128, Vector128<float>>.TileColumns,
            _ => VectorProducts<LanesScalar, float>.TileColumns,
        };
        (Tensor a, Tensor b, Tensor c, Tensor expected) = Matrices(m, n, k, add);
        float* x = TensorData.Floats(a), y = TensorData.Floats(b), z = TensorData.Floats(c);
        switch (width)
        {
            case VectorWidth.Bits512: VectorProducts<Lanes512, Vector512<float>>.Multiply(m, n, k, x, k + 2, y, n, z, n, add); break;
            case VectorWidth.Bits256: VectorProducts<Lanes256, Vector256<float>>.Multiply(m, n, k, x, k + 2, y, n, z, n, add); break;
            case VectorWidth.Bits128: VectorProducts<Lanes128, Vector128<float>>.Multiply(m, n, k, x, k + 2, y, n, z, n, add); break;
            default: VectorProducts<LanesScalar, float>.Multiply(m, n, k, x, k + 2, y, n, z, n, add); break;
        }
        Close.Assert(expected, c, 1e-6, $"{m} x {n} x {k}, {width}, {(add ? "added" : "written")}");
    }

    // Rows of A lie two numbers apart, which are NaN.
    private static (Tensor A, Tensor B, Tensor C, Tensor Expected) Matrices(int m, int n, int k, bool add)
    {
        using var generator = new Generator(5);
        Tensor a = full([m, k + 2], float.NaN), b = randn([k, n], generator: generator), c = randn([m, n], generator: generator);
        a.narrow(1, 0, k).copy_(randn([m, k], generator: generator));
        Tensor product = a.narrow(1, 0, k).to(float64).mm(b.to(float64));
        return (a, b, c, add ? c.to(float64) + product : product);
    }
}
