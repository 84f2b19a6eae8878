namespace Mural.Training;

/// <summary>Where a run stands, reported after every step.</summary>
/// <param name="Step">Updates made.</param>
/// <param name="Steps">Updates that it will end after, or null where only time counts.</param>
/// <param name="Fraction">Share of the run that is done, in [0, 1].</param>
/// <param name="Loss">The last update's loss.</param>
/// <param name="LearningRate">The last update's learning rate.</param>
/// <param name="SamplesPerSecond">Pictures a second, lately.</param>
/// <param name="TimeLeft">Time until the run ends, as it goes now.</param>
/// <param name="Message">Something to tell apart from the numbers, or null.</param>
public sealed record TrainingProgress(
    long Step, long? Steps, double Fraction, double Loss, double LearningRate, double SamplesPerSecond, TimeSpan TimeLeft, string? Message = null);

/// <summary>How a run ended.</summary>
/// <param name="Finished">Whether it reached its end; if not it was stopped and can be resumed.</param>
/// <param name="Step">Updates made over all its sessions.</param>
/// <param name="Loss">Mean loss of the last hundred updates of this session, or null where it made none.</param>
/// <param name="RunFolder">The run's folder.</param>
/// <param name="ResultFolder">Folder of the resulting model.</param>
public sealed record TrainingOutcome(bool Finished, long Step, double? Loss, string RunFolder, string ResultFolder);
