using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The inputs of a selective scan as kernels see them: sizes and addresses. Good while the tensors that it was made of are.</summary>
internal readonly unsafe struct ScanProblem
{
    /// <summary>Channels that one worker takes together: a whole cache line of bfloat16 on every processor, and two of most.</summary>
    internal const int BlockChannels = 64;

    /// <summary>States that are stepped together; the number of states is rounded up to it with states that stay zero.</summary>
    internal const int StateGroup = 4;

    internal readonly int Batch, Length, Channels, States;
    internal readonly Rows U, Delta, B, C, Z;
    internal readonly bool Gated;
    internal readonly int[]? Order;
    private readonly float* _rates, _skip, _bias;

    /// <param name="inputs">Types and layouts that <see cref="Rows"/> reads; rates, skip and bias contiguous float32.</param>
    internal ScanProblem(in ScanInputs inputs)
    {
        Batch = checked((int)inputs.U.shape[0]);
        Length = checked((int)inputs.U.shape[1]);
        Channels = checked((int)inputs.U.shape[2]);
        States = checked((int)inputs.Rates.shape[1]);
        U = new Rows(inputs.U);
        Delta = new Rows(inputs.Delta);
        B = new Rows(inputs.B);
        C = new Rows(inputs.C);
        Gated = inputs.Z is not null;
        if (inputs.Z is not null) Z = new Rows(inputs.Z);
        Order = inputs.Order?.Rows;
        _rates = TensorData.Floats(inputs.Rates);
        _skip = TensorData.Floats(inputs.Skip);
        _bias = inputs.DeltaBias is null ? null : TensorData.Floats(inputs.DeltaBias);
    }

    internal int Blocks => (Channels + BlockChannels - 1) / BlockChannels;

    /// <summary>Number of states, rounded up to whole groups.</summary>
    internal int PaddedStates => (States + StateGroup - 1) / StateGroup * StateGroup;

    /// <summary>Number of tokens, rounded up so that four numbers fit at the place of any.</summary>
    internal int PaddedLength => (Length + 3 + 3) / 4 * 4;

    /// <summary>Storage row of a scan token.</summary>
    internal int RowOf(int token) => Order is null ? token : Order[token];

    /// <summary>The parameters of one block: decay rates as `[vector][state][lane]`, D and delta's bias as `[channel]`; absent channels and states are zero.</summary>
    internal void LoadParameters(int block, int lanes, float* rates, float* skip, float* bias)
    {
        int padded = PaddedStates;
        for (int local = 0; local < BlockChannels; local++)
        {
            int channel = block * BlockChannels + local;
            bool present = channel < Channels;
            skip[local] = present ? _skip[channel] : 0;
            bias[local] = present && _bias is not null ? _bias[channel] : 0;
            float* target = rates + (local / lanes * padded * lanes) + local % lanes;
            for (int state = 0; state < padded; state++)
                target[state * lanes] = present && state < States ? _rates[(long)channel * States + state] : 0;
        }
    }
}

/// <summary>The tensors of a selective scan; see <see cref="SelectiveScan.Apply"/> for their meaning and shapes.</summary>
internal readonly record struct ScanInputs(
    Tensor U, Tensor Delta, Tensor Rates, Tensor B, Tensor C, Tensor Skip, Tensor? Z, Tensor? DeltaBias, ScanOrder? Order);
