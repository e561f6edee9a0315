using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;

namespace DePIN.Gateway.Web.Page;

/// <summary>
/// HTML that is being written. What stands in the program's own text is markup; every value put into it is encoded, for text and for attributes in
/// quotes alike: names and reasons come from strangers.
/// </summary>
internal sealed class Html
{
    private readonly StringBuilder _text = new();

    /// <summary>Adds markup with values.</summary>
    public Html Add([InterpolatedStringHandlerArgument("")] ref Markup markup)
    {
        _ = markup;
        return this;
    }

    /// <summary>UTF-8.</summary>
    public byte[] ToUtf8() => Encoding.UTF8.GetBytes(_text.ToString());

    /// <summary>Takes literals as they are and encodes the rest.</summary>
    [InterpolatedStringHandler]
    internal readonly ref struct Markup
    {
        private readonly StringBuilder _text;

        public Markup(int literalLength, int formattedCount, Html html) => _text = html._text;

        public void AppendLiteral(string literal) => _text.Append(literal);

        public void AppendFormatted<T>(T value) => _text.Append(HtmlEncoder.Default.Encode(
            value is IFormattable number ? number.ToString(null, CultureInfo.InvariantCulture) : value?.ToString() ?? ""));
    }
}
