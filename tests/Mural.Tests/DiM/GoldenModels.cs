using Mural.Checkpoints;
using Mural.DiM;
using Mural.Kernels;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

/// <summary>The tiny DiM that a golden case runs on.</summary>
internal static class GoldenModels
{
    internal static DiMModel Load(GoldenCase golden, TokenGrid? trained = null)
    {
        using ITensorSource source = SafetensorsFile.Open(Path.Combine(golden.ModelFolder, "nnet_ema.safetensors"));
        DiMConfig config = DiMConfig.Load(Path.Combine(golden.ModelFolder, "config.json")) with { PadLayout = Layout(golden) };
        if (trained is { } grid) config = config with { PositionGrid = grid };
        return DiMModel.Load(source, config);
    }

    internal static PadLayout Layout(GoldenCase golden) => golden.Config["pads"]!.GetValue<string>() switch
    {
        "lateral" => PadLayout.Lateral,
        "rho_pad" => PadLayout.RhoPad,
        string other => throw new InvalidDataException(other),
    };

    internal static TokenGrid Grid(GoldenCase golden) => new(golden.Config["grid"]![0]!.GetValue<int>(), golden.Config["grid"]![1]!.GetValue<int>());

    /// <summary>The labels that the case brings, or null, which stands for the null label.</summary>
    internal static Tensor? Labels(GoldenCase golden) => golden.Has("in.y") ? golden.Get("in.y") : null;

    internal static ScanDirection Direction(string name) => name switch
    {
        "RF" => ScanDirection.RowForward,
        "RB" => ScanDirection.RowBackward,
        "CF" => ScanDirection.ColumnForward,
        "CB" => ScanDirection.ColumnBackward,
        _ => throw new InvalidDataException(name),
    };

    /// <summary>A sequence in storage order as a block sees it.</summary>
    internal static Tensor ToScanOrder(Tensor stream, ScanOrder? order) => order is null ? stream : stream.index_select(1, order.IndexOn(stream.device));

    /// <summary>A sequence in a block's order put back into storage order.</summary>
    internal static Tensor ToStorage(Tensor stream, ScanOrder? order) => order is null ? stream : stream.index_select(1, order.InverseOn(stream.device));
}
