using System.CommandLine;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Protocol;

namespace DePIN.Cli.Label;

/// <summary>`depin label`: labels with a QR code for devices, one file each and a sheet of all.</summary>
public static class LabelCommand
{
    private const int LabelsMax = 10_000;

    public static Command Create()
    {
        Option<string?> port = new("--port") { Description = "Ask the board at this provisioning port for its key.", HelpName = "PORT" };
        Option<string[]> keys = new("--public-key") { Description = "A device's public key X ‖ Y, 128 hex digits; once for each.", HelpName = "HEX" };
        Option<string?> list = new("--list") { Description = "A file with a public key a line.", HelpName = "FILE" };
        Option<string> url = new("--url") { Description = "The page on which an owner claims; id and key are put behind its #.", HelpName = "URL", DefaultValueFactory = _ => DeviceLabel.BaseDefault };
        Option<string> output = new("--output", "-o") { Description = "The folder: DEVICE.svg, DEVICE.png, labels.pdf.", HelpName = "DIR", DefaultValueFactory = _ => "labels" };
        Command command = new("label", "Labels for devices: id, and a QR code with id, public key and where to claim.") { port, keys, list, url, output };
        command.SetAction(async (parsed, cancel) =>
        {
            List<string> texts = [.. parsed.GetValue(keys) ?? []];
            if (parsed.GetValue(list) is { } file)
            {
                texts.AddRange(ReadList(file));
            }

            if (parsed.GetValue(port) is { } asked)
            {
                texts.Add(await AskAsync(asked, cancel).ConfigureAwait(false));
            }

            if (texts.Count is 0 or > LabelsMax)
            {
                throw Wrong(texts.Count == 0 ? "no device is named" : $"{texts.Count} devices are named", $"give --port, --public-key or --list, 1 to {LabelsMax} devices");
            }

            Write(parsed.GetValue(output)!, [.. texts.Select(text => Label(text, parsed.GetValue(url)!)).DistinctBy(label => label.Device)]);
            return ExitCode.Ok;
        });
        return command;
    }

    private static DeviceLabel Label(string text, string url)
    {
        byte[] key = new byte[DeviceId.PublicKeyBytes];
        string digits = text.StartsWith("0x", StringComparison.Ordinal) ? text[2..] : text;
        if (digits.Length != 2 * key.Length || Convert.FromHexString(digits, key, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            throw Wrong($"'{text}' is no public key", $"give X and Y, {2 * key.Length} hex digits");
        }

        try
        {
            return DeviceLabel.Of(key, url);
        }
        catch (ArgumentException error)
        {
            throw Wrong("--url: " + error.Message, "give an address as https://example.org/claim");
        }
    }

    private static IEnumerable<string> ReadList(string file)
    {
        try
        {
            return [.. File.ReadLines(file).Take(LabelsMax + 1).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Wrong($"{file} cannot be read: {error.Message}", "name a file with a public key a line");
        }
    }

    private static async Task<string> AskAsync(string port, CancellationToken cancel)
    {
        try
        {
            using BoardLine board = new(SerialLine.Open(port), port, tries: 3);
            return Convert.ToHexStringLower((await board.IdentifyAsync(cancel).ConfigureAwait(false)).PublicKey);
        }
        catch (SerialException fault)
        {
            throw fault.ToCliError();
        }
    }

    private static void Write(string folder, IReadOnlyList<DeviceLabel> labels)
    {
        try
        {
            Directory.CreateDirectory(folder);
            List<(DeviceLabel, QrMatrix)> sheet = [];
            foreach (DeviceLabel label in labels)
            {
                QrMatrix code = new(label.Address);
                File.WriteAllText(Path.Combine(folder, label.Device + ".svg"), LabelSvg.Of(label, code));
                File.WriteAllBytes(Path.Combine(folder, label.Device + ".png"), code.Png);
                sheet.Add((label, code));
                Console.WriteLine($"{label.Device}  {label.Address}");
            }

            File.WriteAllBytes(Path.Combine(folder, "labels.pdf"), LabelPdf.Of(sheet));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CliError(ExitCode.Failed, $"{folder} cannot be written: {error.Message}", "name another folder with -o", "label.not-written");
        }
    }

    private static CliError Wrong(string what, string next) => new(ExitCode.BadInput, what, next, "label.wrong-input");
}
