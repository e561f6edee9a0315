using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace DePIN.Cli.Flash;

/// <summary>
/// Reads what nanoff prints, of which its exit code is only a part: a shell keeps 8 bits of it (E4003 becomes 163), files that could not be
/// written leave it 0, and an exception after the last byte was written makes it an error. Texts are those of nanoFirmwareFlasher 2.5
/// (Esp32Operations, EspTool, FileDeploymentManager, Program.OutputError). Any input is taken; memory is one line.
/// </summary>
public sealed partial class NanoffOutput
{
    private const int LineCharsMax = 2048;
    private const int TailLinesMax = 6;

    private readonly StringBuilder line = new();
    private readonly Queue<string> tail = new();

    /// <summary>"Flash write complete." was said, or the step's OK: every partition was written.</summary>
    public bool IsWritten { get; private set; }

    /// <summary>It wrote and could not reset the board.</summary>
    public bool IsResetMissing { get; private set; }

    /// <summary>What was read back is not what was written, and no later write was complete.</summary>
    public bool IsVerifyFailed { get; private set; }

    /// <summary>The boot loader of the chip did not answer.</summary>
    public bool IsBootloaderSilent { get; private set; }

    /// <summary>nanoff's own code, as E4003.</summary>
    public string? Error { get; private set; }

    /// <summary>Files of --filedeployment that did not arrive.</summary>
    public int FilesFailed { get; private set; }

    /// <summary>What nanoff says of an image that does not fit the chip.</summary>
    public string? Warning { get; private set; }

    /// <summary>The last lines, for a message.</summary>
    public string Tail => string.Join(" / ", tail);

    /// <summary>Takes characters as they come; progress, in percent, is reported when a line has some.</summary>
    public void Take(ReadOnlySpan<char> text, Action<double>? progress = null)
    {
        foreach (char value in text)
        {
            if (value is '\r' or '\n')
            {
                End(progress);
            }
            else if (line.Length < LineCharsMax)
            {
                line.Append(char.IsControl(value) ? ' ' : value);
            }
        }
    }

    /// <summary>The output is over: a last line without an end counts.</summary>
    public void End(Action<double>? progress = null)
    {
        string said = line.ToString().Trim();
        line.Clear();
        if (said.Length == 0)
        {
            return;
        }

        if (Progress().Match(said) is { Success: true } match)
        {
            if (double.TryParse(match.Groups["percent"].Value, CultureInfo.InvariantCulture, out double percent))
            {
                progress?.Invoke(Math.Clamp(percent, 0, 100));
            }

            return;
        }

        Judge(said);
        tail.Enqueue(said.Length > 200 ? said[..200] : said);
        if (tail.Count > TailLinesMax)
        {
            tail.Dequeue();
        }
    }

    private void Judge(string said)
    {
        if (said == "Flash write complete." || Written().IsMatch(said))
        {
            IsWritten = true;
            IsVerifyFailed = false; // it wrote once more, and that one was good
        }

        IsVerifyFailed |= said.Contains("MD5 of file does not match", StringComparison.Ordinal);
        IsResetMissing |= said.Contains("in 'download mode'", StringComparison.Ordinal) || said.Contains("reset the chip manually", StringComparison.Ordinal);
        IsBootloaderSilent |= said.Contains("Can't connect to ESP32 bootloader", StringComparison.Ordinal);
        if (said.StartsWith("Error deploying content file", StringComparison.Ordinal) || said.StartsWith("Exception deploying content file", StringComparison.Ordinal))
        {
            FilesFailed++;
        }

        if (said.StartsWith("Seems that the ", StringComparison.Ordinal))
        {
            Warning = said;
        }

        if (ErrorCode().Match(said) is { Success: true } match)
        {
            Error = match.Groups["code"].Value;
        }
    }

    [GeneratedRegex(@"^(Writing at 0x|Reading flash|Backing up config).*?(?<percent>\d{1,3}(\.\d+)?) ?%", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Progress();

    [GeneratedRegex(@"^Flashing (firmware|deployment partition)\.\.\. *OK$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Written();

    [GeneratedRegex(@"(^|Error )(?<code>E\d{4})(:|$| )", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex ErrorCode();
}
