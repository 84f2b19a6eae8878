using System.Runtime.Intrinsics;
using Mural.Kernels;

namespace Mural.Tests.Kernels;

public unsafe class TranspositionTests
{
    private static readonly (int Rows, int Columns)[] Sizes = [(1, 1), (7, 9), (8, 8), (16, 24), (17, 31), (64, 40), (3, 70)];

    [Fact]
    public void WordsKeepTheirBits()
    {
        foreach ((int rows, int columns) in Sizes)
        {
            using var scope = NewDisposeScope();
            // Signalling NaN among them: nothing may compute with these.
            Tensor source = (arange(rows * (columns + 3), dtype: int32) + 0x7F800001).view(rows, columns + 3);
            Tensor expected = source.narrow(1, 0, columns).t();
            Tensor vectors = zeros([columns, rows + 1], int32), plain = zeros_like(vectors);
            Transposition.Words<Lanes512, Vector512<float>>(
                (byte*)TensorData.Pointer(source), (columns + 3) * sizeof(uint), rows, columns, (uint*)TensorData.Pointer(vectors), rows + 1);
            Transposition.Words<LanesScalar, float>((byte*)TensorData.Pointer(source), (columns + 3) * sizeof(uint), rows, columns, (uint*)TensorData.Pointer(plain), rows + 1);
            Assert.True(expected.equal(vectors.narrow(1, 0, rows)).all().item<bool>());
            Assert.True(plain.equal(vectors).all().item<bool>());
        }
    }

    [Fact]
    public void PairsEndInZero()
    {
        foreach ((int rows, int columns) in Sizes)
        {
            using var scope = NewDisposeScope();
            int pairs = (rows + 1) / 2;
            Tensor source = arange(rows * (columns + 1), dtype: int16).view(rows, columns + 1), target = zeros([columns, pairs, 2], int16);
            Transposition.Pairs((ushort*)TensorData.Pointer(source), columns + 1, rows, columns, (uint*)TensorData.Pointer(target), pairs);
            Tensor flat = target.view(columns, 2 * pairs);
            Assert.True(source.narrow(1, 0, columns).t().equal(flat.narrow(1, 0, rows)).all().item<bool>());
            if (rows % 2 == 1) Assert.Equal(0, flat.select(1, rows).abs().max().item<short>());
        }
    }

    [Fact]
    public void ColumnsGetTheirFactors()
    {
        foreach ((int rows, int columns) in Sizes)
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(1);
            Tensor source = randn([rows, columns], generator: generator), factors = randn([columns], generator: generator), expected = (source * factors).t();
            Tensor vectors = zeros([columns, rows], float32), plain = zeros([columns, rows], bfloat16);
            Transposition.Scaled<Lanes256, Vector256<float>, Float32Element>(
                TensorData.Floats(source), columns, rows, columns, TensorData.Floats(factors), (byte*)TensorData.Pointer(vectors), rows * sizeof(float));
            Transposition.Scaled<LanesScalar, float, BFloat16Element>(
                TensorData.Floats(source), columns, rows, columns, TensorData.Floats(factors), (byte*)TensorData.Pointer(plain), rows * sizeof(ushort));
            Assert.True(expected.equal(vectors).all().item<bool>());
            Assert.True(expected.to(bfloat16).equal(plain).all().item<bool>());
        }
    }
}
