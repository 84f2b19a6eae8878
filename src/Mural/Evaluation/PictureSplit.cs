namespace Mural.Evaluation;

/// <summary>Which pictures of a list are meant.</summary>
internal enum PictureSplit
{
    /// <summary>All of them.</summary>
    All,

    /// <summary>Those to train on: all, where the list names no split.</summary>
    Train,

    /// <summary>Those whose <c>split</c> is not <c>train</c>.</summary>
    Test,
}
