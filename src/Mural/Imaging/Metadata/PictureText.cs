namespace Mural.Imaging;

/// <summary>One text that a picture file carries.</summary>
/// <param name="Keyword">What the text is, for example <c>parameters</c>.</param>
/// <param name="Text">The text, of any letters and lines.</param>
public sealed record PictureText(string Keyword, string Text);
