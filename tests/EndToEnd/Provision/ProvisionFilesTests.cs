using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>The files of a provisioning job, without boards: who keeps which name, what a torn or wrong line is.</summary>
public sealed class ProvisionFilesTests
{
    private const string First = "0000000000000000000000000000000000000001";
    private const string Second = "0000000000000000000000000000000000000002";

    private TempFolder _folder = null!;

    [SetUp]
    public void MakeFolder() => _folder = new TempFolder();

    [TearDown]
    public void DeleteFolder() => _folder.Dispose();

    [Test]
    public void A_finished_board_keeps_its_name_and_takes_no_free_row()
    {
        string manifest = Manifest(",roof-1,", ",roof-2,\"Wien, Haus 2\"");
        using (ProvisionReport report = ProvisionReport.Open(_folder.Path))
        {
            report.Add(Line(First, DeviceManifest.Read(manifest, report).Take(First)));
        }

        using ProvisionReport again = ProvisionReport.Open(_folder.Path);
        DeviceManifest read = DeviceManifest.Read(manifest, again);
        Assert.Multiple(() =>
        {
            Assert.That(read.Take(First).Name, Is.EqualTo("roof-1"), "also when it comes first");
            Assert.That(read.Take(Second), Is.EqualTo(new ManifestRow(Second, "roof-2", "Wien, Haus 2")));
            Assert.That(DeviceManifest.Read(null, again).Take(First).Name, Is.EqualTo("roof-1"), "also without the manifest");
        });
    }

    [Test]
    public void A_board_that_waits_for_its_registration_keeps_its_name_too()
    {
        string manifest = Manifest(",roof-1,", ",roof-2,");
        using (ProvisionReport report = ProvisionReport.Open(_folder.Path))
        {
            report.Add(Line(First, DeviceManifest.Read(manifest, report).Take(First)) with { Code = ProvisionCode.Collected.Code });
        }

        using ProvisionReport again = ProvisionReport.Open(_folder.Path);
        DeviceManifest read = DeviceManifest.Read(manifest, again);
        Assert.That((read.Take(Second).Name, read.Take(First).Name), Is.EqualTo(("roof-2", "roof-1")));
        Assert.That(again.DoneLine(First), Is.Null, "it is not finished");
    }

    [Test]
    public void A_file_that_is_full_takes_no_line_and_says_so()
    {
        string path = Path.Combine(_folder.Path, "lines");
        using AppendOnlyFile file = AppendOnlyFile.Open(path, bytesMax: 8);
        file.Append("1234567");
        ProvisionFileException error = Assert.Throws<ProvisionFileException>(() => file.Append(""))!;
        Assert.That((error.IsInput, error.Message), Is.EqualTo((false, $"{path} is full: it has at most 0 MiB")));
        Assert.That(AppendOnlyFile.ReadLines(path), Is.EqualTo(new[] { "1234567" }));
    }

    [TestCase(0, new[] { "first", "third" }, TestName = "A_line_that_failed_before_a_byte_was_written_leaves_nothing")]
    [TestCase(3, new[] { "first", "sec", "third" }, TestName = "A_line_that_failed_in_its_middle_stays_by_itself")]
    [TestCase(7, new[] { "first", "second", "third" }, TestName = "A_line_whose_flush_failed_is_there_or_not_but_stays_by_itself")]
    public void A_failed_line_harms_no_other(int written, string[] lines)
    {
        string path = Path.Combine(_folder.Path, "lines");
        using FailingStream stream = new(path);
        using AppendOnlyFile file = AppendOnlyFile.Over(stream, bytesMax: 1_000);
        file.Append("first");
        stream.Written = written;
        Assert.That(Assert.Throws<ProvisionFileException>(() => file.Append("second"))!.IsInput, Is.False);
        stream.Written = null;
        file.Append("third");
        Assert.That(AppendOnlyFile.ReadLines(path), Is.EqualTo(lines));
    }

    /// <summary>A disk that takes some bytes of a line and then says that it is full.</summary>
    private sealed class FailingStream(string path) : FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0)
    {
        /// <summary>Null: it does not fail.</summary>
        public int? Written { get; set; }

        public override void Write(byte[] buffer, int offset, int count)
        {
            base.Write(buffer, offset, Written ?? count);
            if (Written < count) throw new IOException("No space left on device");
        }

        public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer.ToArray(), 0, buffer.Length);

        public override void Flush(bool flushToDisk)
        {
            if (Written is not null) throw new IOException("Input/output error");
            base.Flush(flushToDisk);
        }
    }

    [Test]
    public void A_row_for_a_device_wins_over_what_the_report_says()
    {
        using ProvisionReport report = ProvisionReport.Open(_folder.Path);
        report.Add(Line(First, new ManifestRow(First, "old", "")));
        Assert.That(DeviceManifest.Read(Manifest(First + ",new,"), report).Take(First).Name, Is.EqualTo("new"));
    }

    [TestCase(",a,", ",a,", "line 3")]
    [TestCase(First + ",a,", First + ",b,", "line 3")]
    [TestCase("xyz,a,", "", "line 2")]
    [TestCase(",\"a,", "", "line 2")]
    [TestCase(",ééééééééééééééééééééééééééééééééé,", "", "line 2")]
    [TestCase(",€€€€€€€€€€€€€€€€€€€€€€,", "", "64 bytes")]
    public void A_wrong_row_is_named_with_its_line(string row, string next, string told)
    {
        using ProvisionReport report = ProvisionReport.Open(_folder.Path);
        ProvisionFileException error = Assert.Throws<ProvisionFileException>(() => DeviceManifest.Read(Manifest(row, next), report))!;
        Assert.That(error.IsInput);
        Assert.That(error.Message, Does.Contain(told));
    }

    [Test]
    public void A_torn_claim_is_passed_over_and_one_that_is_none_is_an_error()
    {
        string claims = Path.Combine(_folder.Path, "claims.jsonl");
        string good = $$"""{"chainId":1,"registry":"0x","owner":"0x","device":"{{First}}","keyKind":1,"publicKey":"{{new string('a', 128)}}","signature":"{{new string('b', 128)}}"}""";
        File.WriteAllLines(claims, [good, "{\"chainId\":1,\"to", good]);
        Assert.That(ClaimCollector.Read(claims), Has.Count.EqualTo(1), "each once");
        foreach (string bad in new[] { "{}", good.Replace("bb", "b", StringComparison.Ordinal), good.Replace("aa", "zz", StringComparison.Ordinal) })
        {
            File.WriteAllLines(claims, [good, bad]);
            Assert.That(Assert.Throws<ProvisionFileException>(() => ClaimCollector.Read(claims))!.Message, Does.Contain("line 2"));
        }
    }

    private string Manifest(params string[] rows)
    {
        string path = Path.Combine(_folder.Path, "devices.csv");
        File.WriteAllLines(path, ["device,name,location", .. rows]);
        return path;
    }

    private static ReportLine Line(string device, ManifestRow row) => new()
    {
        Time = "", Job = "", Port = "", Step = "done", Next = "", Code = ProvisionCode.Done.Code, Device = device, Name = row.Name, Location = row.Location,
    };
}
