namespace Mural.Samplers;

/// <summary>One step of DPM-Solver: its order, its times, and where its inner points lie as shares of the step in λ (0 where there is none).</summary>
internal readonly record struct DpmStep(int Order, double Start, double End, double FirstRatio, double SecondRatio);

/// <summary>The steps of a run, known before it starts (DiM specification 4.2 and 4.3).</summary>
internal static class DpmSolverPlan
{
    internal static IReadOnlyList<DpmStep> Create(DpmSolverOptions options, NoiseSchedule schedule)
    {
        int[] orders = options.Method == DpmMethod.SingleStep ? [.. Enumerable.Repeat(options.Order, options.Steps / options.Order)] : FastOrders(options.Steps, options.Order);
        bool onePerEvaluation = options.Method == DpmMethod.Fast;
        double[] times = TimeGrid.Create(options.Spacing, schedule, options.StartTime, options.EndTime, onePerEvaluation ? options.Steps : orders.Length);
        var steps = new DpmStep[orders.Length];
        for (int step = 0, entry = 0; step < orders.Length; step++)
        {
            int order = orders[step];
            steps[step] = onePerEvaluation ? OnGrid(schedule, times, entry, order) : Even(times[step], times[step + 1], order);
            entry += order;
        }
        return steps;
    }

    // Steps of the full order, then what is left of the evaluations; of order 3, the last step is always a lower one.
    private static int[] FastOrders(int evaluations, int order) => (order, evaluations % order) switch
    {
        (3, 0) => [.. Enumerable.Repeat(3, evaluations / 3 - 1), 2, 1],
        (_, 0) => [.. Enumerable.Repeat(order, evaluations / order)],
        (_, int rest) => [.. Enumerable.Repeat(order, evaluations / order), rest],
    };

    private static DpmStep OnGrid(NoiseSchedule schedule, double[] times, int entry, int order)
    {
        double lambda = schedule.Lambda(times[entry]), h = schedule.Lambda(times[entry + order]) - lambda;
        double Ratio(int inner) => inner < order ? (schedule.Lambda(times[entry + inner]) - lambda) / h : 0;
        return new DpmStep(order, times[entry], times[entry + order], Ratio(1), Ratio(2));
    }

    private static DpmStep Even(double start, double end, int order) => new(order, start, end, order > 1 ? 1.0 / order : 0, order > 2 ? 2.0 / order : 0);
}
