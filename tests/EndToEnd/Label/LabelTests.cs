using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DePIN.Cli.Label;
using DePIN.EndToEnd.Tests.Cli;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Label;

/// <summary>Labels are read by another implementation (jsQR): the PNG as it is, SVG and PDF from the rectangles that are in them.</summary>
public sealed partial class LabelTests
{
    private TempFolder folder = null!;

    [SetUp]
    public void MakeFolder() => folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => folder.Dispose();

    [Test]
    public async Task What_is_on_a_label_is_read_back_from_every_format()
    {
        if (NodeScript.Missing is { } reason)
        {
            Assert.Ignore(reason);
        }

        using SampleDevice device = new();
        const string url = "https://example.org/claim?network=test";
        string expected = $"{url}#v=1&device={device.Text}&key={Convert.ToBase64String(device.PublicKey).TrimEnd('=').Replace('+', '-').Replace('/', '_')}";
        CliProcess run = await CliProcess.RunAsync(folder.Path, "label", "--public-key", Convert.ToHexString(device.PublicKey), "--url", url, "-o", "out");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);

        string output = Path.Combine(folder.Path, "out");
        string svg = await File.ReadAllTextAsync(Path.Combine(output, device.Text + ".svg")), pdf = await File.ReadAllTextAsync(Path.Combine(output, "labels.pdf"), Encoding.Latin1);
        int size = int.Parse(ViewBox().Match(svg).Groups["size"].Value, CultureInfo.InvariantCulture);
        JsonArray question =
        [
            new JsonObject { ["png"] = Convert.ToBase64String(await File.ReadAllBytesAsync(Path.Combine(output, device.Text + ".png"))) },
            new JsonObject { ["size"] = size, ["dark"] = Rectangles(SvgRun().Matches(svg), y => y) },
            new JsonObject { ["size"] = size, ["dark"] = Rectangles(PdfRun().Matches(pdf), y => size - 1 - y) },
        ];
        JsonElement answers = await NodeScript.RunAsync(NodeScript.PathOf("EndToEnd", "Label", "peers", "decode.mjs"), JsonSerializer.SerializeToUtf8Bytes(question));
        Assert.Multiple(() =>
        {
            Assert.That(answers.EnumerateArray().Select(answer => answer.GetString()), Is.EqualTo(new[] { expected, expected, expected }));
            Assert.That(run.Output, Does.Contain(expected));
            Assert.That(svg, Does.Contain(device.Text[..8] + "</text>"));
            Assert.That(pdf, Does.Contain($"({device.Text[32..]}) Tj"));
        });
    }

    [Test]
    public void A_sheets_table_points_at_its_objects_and_a_full_one_is_followed_by_another()
    {
        List<(DeviceLabel, QrMatrix)> labels = [];
        for (int at = 0; at < LabelPdf.Columns * LabelPdf.Rows + 1; at++)
        {
            using SampleDevice device = new();
            DeviceLabel label = DeviceLabel.Of(device.PublicKey);
            labels.Add((label, new QrMatrix(label.Address)));
        }

        string pdf = Encoding.Latin1.GetString(LabelPdf.Of(labels));
        int table = int.Parse(StartXref().Match(pdf).Groups["at"].Value, CultureInfo.InvariantCulture);
        Match[] entries = Entry().Matches(pdf[table..]).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(pdf[table..], Does.StartWith("xref\n0 8\n"));
            Assert.That(entries, Has.Length.EqualTo(7), "catalog, pages, font, and two of each of two pages");
            for (int at = 0; at < entries.Length; at++)
            {
                Assert.That(pdf[int.Parse(entries[at].Groups["at"].Value, CultureInfo.InvariantCulture)..], Does.StartWith($"{at + 1} 0 obj\n"));
            }

            Assert.That(pdf, Does.Contain("/Count 2 /Kids [4 0 R 6 0 R]"));
            foreach (Match stream in Stream().Matches(pdf))
            {
                Assert.That(stream.Groups["content"].Length, Is.EqualTo(int.Parse(stream.Groups["length"].Value, CultureInfo.InvariantCulture)));
            }
        });
    }

    [Test]
    public async Task A_list_makes_a_label_for_each_device_once()
    {
        using SampleDevice one = new(), two = new();
        await File.WriteAllTextAsync(Path.Combine(folder.Path, "keys"), $"# of the first batch\n{Convert.ToHexString(one.PublicKey)}\n\n0x{Convert.ToHexStringLower(two.PublicKey)}\n{Convert.ToHexString(one.PublicKey)}\n");
        CliProcess run = await CliProcess.RunAsync(folder.Path, "label", "--list", "keys");
        Assert.That(run.ExitCode, Is.Zero, run.Errors);
        Assert.That(Directory.GetFiles(Path.Combine(folder.Path, "labels")).Select(Path.GetFileName), Is.EquivalentTo(new[] { one.Text + ".svg", one.Text + ".png", two.Text + ".svg", two.Text + ".png", "labels.pdf" }));
    }

    [TestCase("https://example.org/#x")]
    [TestCase("no address")]
    [TestCase("https://example.org/ä")]
    public void An_address_that_cannot_take_a_device_is_refused(string url)
    {
        using SampleDevice device = new();
        Assert.That(() => DeviceLabel.Of(device.PublicKey, url), Throws.ArgumentException);
        Assert.That(() => DeviceLabel.Of(new byte[63]), Throws.ArgumentException);
    }

    private static JsonArray Rectangles(MatchCollection runs, Func<int, int> row) => new(
        [.. runs.Select(run => new JsonArray(Number(run, "x"), row(Number(run, "y")), Number(run, "width")))]);

    private static int Number(Match match, string group) => int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"viewBox=""0 0 \d+ (?<size>\d+)""", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex ViewBox();

    [GeneratedRegex(@"M(?<x>\d+) (?<y>\d+)h(?<width>\d+)v1", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex SvgRun();

    [GeneratedRegex(@"^(?<x>\d+) (?<y>\d+) (?<width>\d+) 1 re$", RegexOptions.ExplicitCapture | RegexOptions.Multiline, 1000)]
    private static partial Regex PdfRun();

    [GeneratedRegex(@"startxref\n(?<at>\d+)\n%%EOF", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex StartXref();

    [GeneratedRegex(@"^(?<at>\d{10}) 00000 n $", RegexOptions.ExplicitCapture | RegexOptions.Multiline, 1000)]
    private static partial Regex Entry();

    [GeneratedRegex(@"/Length (?<length>\d+) >>\nstream\n(?<content>.*?)endstream", RegexOptions.ExplicitCapture | RegexOptions.Singleline, 1000)]
    private static partial Regex Stream();
}
