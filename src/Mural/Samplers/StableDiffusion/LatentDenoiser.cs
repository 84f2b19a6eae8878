using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>Which network call of a run is made.</summary>
/// <param name="Index">How many calls of this run were made before, from 0.</param>
/// <param name="Count">How many calls this run makes.</param>
/// <param name="Timestep">The timestep that the network is told, from 0 to below the number of training steps; may be fractional.</param>
public readonly record struct DenoiserCall(int Index, int Count, double Timestep);

/// <summary>
/// A latent diffusion network with everything around it, such as guidance and ControlNets: answers the noisy latent <paramref name="input"/>
/// <c>[B, C, H, W]</c>, already scaled for the network, with what the network was trained to predict (<see cref="PredictionType"/>), of the same shape.
/// The result belongs to the sampler, which disposes of it.
/// </summary>
public delegate Tensor LatentDenoiser(Tensor input, DenoiserCall call);
