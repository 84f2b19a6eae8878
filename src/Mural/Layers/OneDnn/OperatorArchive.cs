using System.IO.Compression;
using System.Text;

namespace Mural.Layers.OneDnn;

/// <summary>
/// A TorchScript archive made in memory whose methods call oneDNN operators that TorchSharp does not bind. Only an archive's code may name
/// operators outside <c>aten</c>; a script compiled at run time may not.
/// </summary>
internal static class OperatorArchive
{
    private const string Code = """
        class Operators(Module):
          __parameters__ = []
          __buffers__ = []
          training : bool
          def pack_linear(self: __torch__.Operators,
            weight: Tensor) -> Tensor:
            return ops.mkldnn._reorder_linear_weight(weight, None)
          def linear(self: __torch__.Operators,
            input: Tensor,
            weight: Tensor,
            bias: Optional[Tensor]) -> Tensor:
            return ops.mkldnn._linear_pointwise(input, weight, bias, "none", annotate(List[Optional[number]], []), "")
          def pack_convolution(self: __torch__.Operators,
            weight: Tensor,
            pad_h: int,
            pad_w: int,
            stride_h: int,
            stride_w: int,
            dilation_h: int,
            dilation_w: int,
            groups: int) -> Tensor:
            return ops.mkldnn._reorder_convolution_weight(weight, [pad_h, pad_w], [stride_h, stride_w], [dilation_h, dilation_w], groups, None)
          def convolution(self: __torch__.Operators,
            input: Tensor,
            weight: Tensor,
            bias: Optional[Tensor],
            pad_h: int,
            pad_w: int,
            stride_h: int,
            stride_w: int,
            dilation_h: int,
            dilation_w: int,
            groups: int) -> Tensor:
            return ops.mkldnn._convolution_pointwise(input, weight, bias, [pad_h, pad_w], [stride_h, stride_w], [dilation_h, dilation_w], groups, "none", annotate(List[Optional[number]], []), "")

        """;

    /// <summary>The archive's bytes, as <c>torch.jit.load</c> takes them.</summary>
    internal static byte[] Build()
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add(archive, "version", "3\n"u8);
            Add(archive, "constants.pkl", EmptyTuple);
            Add(archive, "data.pkl", ModuleObject);
            Add(archive, "code/__torch__.py", Encoding.ASCII.GetBytes(Code));
        }
        return stream.ToArray();
    }

    // Pickle protocol 2: PROTO 2, EMPTY_TUPLE, STOP.
    private static byte[] EmptyTuple => [0x80, 2, (byte)')', (byte)'.'];

    // PROTO 2, GLOBAL __torch__ Operators, EMPTY_TUPLE, NEWOBJ, EMPTY_DICT, MARK, "training", False, SETITEMS, BUILD, STOP.
    private static byte[] ModuleObject =>
    [
        0x80, 2, .. "c__torch__\nOperators\n"u8, (byte)')', 0x81, (byte)'}', (byte)'(',
        (byte)'X', 8, 0, 0, 0, .. "training"u8, 0x89, (byte)'u', (byte)'b', (byte)'.',
    ];

    private static void Add(ZipArchive archive, string name, ReadOnlySpan<byte> content)
    {
        using Stream entry = archive.CreateEntry("operators/" + name, CompressionLevel.NoCompression).Open();
        entry.Write(content);
    }
}
