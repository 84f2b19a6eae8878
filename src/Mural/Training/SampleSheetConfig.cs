namespace Mural.Training;

/// <summary>
/// What a sheet of samples shows: half of it training conditions, half held-out ones. A UNet's result is painted with the same steps and guidance unless told otherwise.
/// </summary>
public sealed record SampleSheetConfig
{
    /// <summary>Pictures on a sheet.</summary>
    public int Pictures { get; init; } = 16;

    /// <summary>Network evaluations of the solver for each.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>Guidance scale in the common convention, above 0, where 1 is none.</summary>
    public double Guidance { get; init; } = 2;

    internal void Check()
    {
        Settings.InRange("sheet.pictures", Pictures, 1, 1024);
        Settings.Sampling("sheet", Steps, Guidance);
        // A result's index takes it for none given.
        if (Guidance == 0)
            throw new MuralException("The setting 'sheet.guidance' is 0, with which nothing is left of the condition; give a number above 0, where 1 paints without guidance.");
    }
}
