namespace Mural.Kernels;

/// <summary>What happens between the passes of group norm: few numbers, in double precision.</summary>
internal static unsafe class GroupNormSums
{
    /// <summary>Mean and 1/√(variance + epsilon) of one group from the moments of a picture's chunks (Chan's rule for joining samples).</summary>
    /// <param name="problem">The sizes.</param>
    /// <param name="moments">Of each chunk the channels' means, then their sums of squared distances.</param>
    /// <param name="group">The group.</param>
    /// <param name="statistics">Receives both numbers.</param>
    internal static void Statistics(GroupNormProblem problem, float* moments, int group, float* statistics)
    {
        int channels = problem.Channels, begin = group * problem.GroupChannels, end = begin + problem.GroupChannels;
        double sum = 0, squares = 0;
        for (int chunk = 0; chunk < problem.Chunks; chunk++)
        {
            float* mean = moments + (long)chunk * 2 * channels;
            double ofChunk = 0;
            for (int channel = begin; channel < end; channel++) ofChunk += mean[channel];
            sum += ofChunk * problem.PixelsOf(chunk);
        }
        double center = sum / problem.GroupSize;
        for (int chunk = 0; chunk < problem.Chunks; chunk++)
        {
            float* mean = moments + (long)chunk * 2 * channels, distances = mean + channels;
            double between = 0;
            for (int channel = begin; channel < end; channel++)
            {
                between += (mean[channel] - center) * (mean[channel] - center);
                squares += distances[channel];
            }
            squares += between * problem.PixelsOf(chunk);
        }
        statistics[0] = (float)center;
        statistics[1] = (float)(1 / Math.Sqrt(squares / problem.GroupSize + problem.Epsilon));
    }

    /// <summary>Norm, weight and bias as one factor and one addend for each channel of a group.</summary>
    internal static void Factors(GroupNormProblem problem, float* statistics, float* weight, float* bias, int group, float* scale, float* shift)
    {
        int begin = group * problem.GroupChannels, end = begin + problem.GroupChannels;
        for (int channel = begin; channel < end; channel++)
        {
            double factor = (double)statistics[1] * weight[channel];
            scale[channel] = (float)factor;
            shift[channel] = (float)(bias[channel] - statistics[0] * factor);
        }
    }

    /// <summary>The norm alone as one factor and one addend for each channel of a picture; the addends follow the factors.</summary>
    internal static void Inverses(GroupNormProblem problem, float* statistics, float* factors)
    {
        for (int channel = 0; channel < problem.Channels; channel++)
        {
            float* ofGroup = statistics + channel / problem.GroupChannels * 2;
            factors[channel] = ofGroup[1];
            factors[problem.Channels + channel] = (float)(-(double)ofGroup[0] * ofGroup[1]);
        }
    }

    /// <summary>
    /// With d the gradient before the activation, n the normalised value and r = 1/√(variance + epsilon), the gradient of an input is
    /// r (weight d - mean(weight d) - n mean(weight d n)), means over the group: one factor for d, one slope for n and one offset for each channel.
    /// </summary>
    /// <param name="problem">The sizes.</param>
    /// <param name="sums">Of each chunk the channels' sums of d, then those of d n.</param>
    /// <param name="weight">Scale of each channel.</param>
    /// <param name="group">The group.</param>
    /// <param name="totals">Receives the same sums over the picture.</param>
    /// <param name="factors">Holds r for each channel first; receives factor, slope and offset as its third to fifth row.</param>
    internal static void Slopes(GroupNormProblem problem, float* sums, float* weight, int group, float* totals, float* factors)
    {
        int channels = problem.Channels, begin = group * problem.GroupChannels, end = begin + problem.GroupChannels;
        double mean = 0, meanProduct = 0;
        for (int channel = begin; channel < end; channel++)
        {
            double sum = 0, product = 0;
            for (int chunk = 0; chunk < problem.Chunks; chunk++)
            {
                float* ofChunk = sums + (long)chunk * 2 * channels;
                sum += ofChunk[channel];
                product += ofChunk[channels + channel];
            }
            totals[channel] = (float)sum;
            totals[channels + channel] = (float)product;
            mean += weight[channel] * sum;
            meanProduct += weight[channel] * product;
        }
        mean /= problem.GroupSize;
        meanProduct /= problem.GroupSize;
        for (int channel = begin; channel < end; channel++)
        {
            double inverse = factors[channel];
            factors[2 * channels + channel] = (float)(inverse * weight[channel]);
            factors[3 * channels + channel] = (float)(-inverse * meanProduct);
            factors[4 * channels + channel] = (float)(-inverse * mean);
        }
    }

    /// <summary>Gradients of weight and bias: the pictures' sums of d n and of d.</summary>
    internal static void OverImages(GroupNormProblem problem, float* totals, float* weightGradient, float* biasGradient)
    {
        for (int channel = 0; channel < problem.Channels; channel++)
        {
            double sum = 0, product = 0;
            for (int image = 0; image < problem.Images; image++)
            {
                float* ofImage = totals + 2L * image * problem.Channels;
                sum += ofImage[channel];
                product += ofImage[problem.Channels + channel];
            }
            biasGradient[channel] = (float)sum;
            weightGradient[channel] = (float)product;
        }
    }
}
