namespace Mural.Samplers;

/// <summary>The samplers for Stable Diffusion, each in a file of its name.</summary>
public enum SamplerKind
{
    /// <summary>Denoising diffusion implicit models, deterministic or with a share of noise η.</summary>
    Ddim,

    /// <summary>Denoising diffusion probabilistic models: ancestral sampling.</summary>
    Ddpm,

    /// <summary>Pseudo numerical methods: linear multistep of order 4 on the deterministic path, known as PLMS.</summary>
    Pndm,

    /// <summary>Euler steps in σ.</summary>
    Euler,

    /// <summary>Euler steps in σ that overshoot and add noise.</summary>
    EulerAncestral,

    /// <summary>Heun's method in σ, two network calls a step.</summary>
    Heun,

    /// <summary>Linear multistep in σ with integrated coefficients, order 4.</summary>
    Lms,

    /// <summary>DPM-Solver and DPM-Solver++ from past predictions: DPM++ 2M, and with noise 2M SDE.</summary>
    DpmMultistep,

    /// <summary>DPM-Solver and DPM-Solver++ within groups of steps: DPM++ 2S.</summary>
    DpmSinglestep,

    /// <summary>DPM-Solver++ of the stochastic equation, two network calls a step: DPM++ SDE.</summary>
    DpmSde,

    /// <summary>DPM-Solver-2 in σ: the slope in the middle of a step, two network calls a step.</summary>
    Dpm2,

    /// <summary>DPM-Solver-2 in σ that overshoots and adds noise.</summary>
    Dpm2Ancestral,

    /// <summary>Unified predictor-corrector.</summary>
    UniPc,

    /// <summary>Latent consistency models, for models distilled to a few steps.</summary>
    Lcm,

    /// <summary>Trajectory consistency distillation, for models distilled to a few steps.</summary>
    Tcd,

    /// <summary>Exponential integrator from past predictions of the noise, interpolated in ln σ.</summary>
    Deis,
}
