using DePIN.Cli.Label;
using DePIN.Cli.Serial;
using DePIN.Provision;

namespace DePIN.Cli.Provision;

/// <summary>
/// A label a device as SVG and PNG in a folder, and at the end one sheet (PDF) of this run's. The same device gets the same label each time.
/// </summary>
public sealed class LabelFolder : IDeviceLabels
{
    /// <summary>The sheet's name.</summary>
    public const string SheetName = "labels.pdf";

    private readonly string _folder;
    private readonly string _link;
    private readonly SortedDictionary<string, (DeviceLabel Label, QrMatrix Code)> _sheet = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    /// <param name="folder">Made when it is not there.</param>
    /// <param name="link">The page that the code names; empty: a depin: address.</param>
    public LabelFolder(string folder, string link)
    {
        _folder = folder;
        _link = link.Length > 0 ? link : DeviceLabel.BaseDefault;
    }

    /// <inheritdoc/>
    public void Write(BoardIdentity board, ManifestRow row)
    {
        ArgumentNullException.ThrowIfNull(board);
        DeviceLabel label = DeviceLabel.Of(board.PublicKey, _link);
        QrMatrix code = new(label.Address);
        lock (_gate)
        {
            Directory.CreateDirectory(_folder);
            File.WriteAllText(Path.Combine(_folder, label.Device + ".svg"), LabelSvg.Of(label, code));
            File.WriteAllBytes(Path.Combine(_folder, label.Device + ".png"), code.Png);
            _sheet[label.Device] = (label, code);
        }
    }

    /// <summary>Writes the sheet of the labels so far; nothing when there is none.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void WriteSheet()
    {
        lock (_gate)
        {
            if (_sheet.Count > 0) File.WriteAllBytes(Path.Combine(_folder, SheetName), LabelPdf.Of([.. _sheet.Values]));
        }
    }
}
