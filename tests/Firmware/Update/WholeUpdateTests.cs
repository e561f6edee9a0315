using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Update;
using DePIN.Protocol;
using DePIN.VirtualBoard;
using DePIN.VirtualBoard.Feed;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Update;

/// <summary>
/// From one build of the firmware to another: a virtual board that starts through the loader, real assemblies in its slots, a real MQTT
/// connection. The variants are other builds of the same sources (Variants/).
/// </summary>
[TestFixture]
public sealed class WholeUpdateTests
{
    private string _folder = "";
    private ScriptedGateway _gateway = null!;
    private FolderFlash _flash = null!;
    private BoardRun _board = null!;
    private Thread _power = null!;

    private static byte[] This => File.ReadAllBytes(typeof(Updater).Assembly.Location);

    [SetUp]
    public void Provision()
    {
        _folder = Directory.CreateTempSubdirectory("update-").FullName;
        _gateway = new ScriptedGateway();
        File.WriteAllText(
            Path.Combine(Directory.CreateDirectory(Path.Combine(_folder, "flash")).FullName, "node.conf"),
            $"gateway-host=127.0.0.1\ngateway-port={_gateway.Port}\nsntp-server=\ninterval-ms=100\nsamples-per-frame=1\nring-bytes=24000\ndrive-bytes=2097152\nhealth-s=0\n"
            + $"update-healthy-s=2\noperator-key={Convert.ToHexStringLower(UpdateBench.Owner.PublicKey)}\n");
        _flash = new FolderFlash(Path.Combine(_folder, "flash"));
    }

    [TearDown]
    public void SwitchOff()
    {
        _board?.SwitchOff();
        _power?.Join();
        _board?.Dispose();
        _gateway.Dispose();
        Directory.Delete(_folder, true);
    }

    [Test]
    public void A_node_updates_itself_to_another_build_and_keeps_it_and_loses_and_doubles_no_frame()
    {
        Install(1, This);
        Boot();
        Eventually.True(() => _gateway.Frames.Count > 3 && _gateway.Has(UpdateStates.Idle), "frames of the first release");
        OfferTo(2, Variant("Next"));
        _gateway.Hold = (60, 5);
        Random random = new(1);
        byte[] late = [];
        _gateway.Answer = (_, right) =>
        {
            byte[] before = late;
            late = right;
            return random.Next(4) == 0 ? [before, right, right] : [right];
        };
        Reconnect();
        Eventually.True(() => _gateway.Has(UpdateStates.Confirmed), "the second release stays");
        int frames = _gateway.Frames.Count;
        Eventually.True(() => _gateway.Frames.Count > frames + 3, "and goes on");
        Assert.Multiple(() =>
        {
            Assert.That(_gateway.States.Last(state => state.State == UpdateStates.Confirmed), Is.EqualTo((2u, UpdateStates.Confirmed, UpdateErrors.None, "0.2.0")));
            Assert.That(_gateway.Has(UpdateStates.Trying), Is.True);
            Assert.That(_gateway.FramesWhileHeld, Is.EqualTo(5), "frames are acknowledged during the update");
            AssertFramesWhole();
        });
    }

    [Test]
    public void A_build_that_throws_at_its_start_is_tried_three_times_then_the_old_one_runs_again()
    {
        Install(1, This);
        OfferTo(2, Variant("Throwing"));
        Boot();
        Eventually.True(() => _gateway.Has(UpdateStates.RolledBack), "back on the old one");
        int gets = _gateway.Gets.Count;
        int frames = _gateway.Frames.Count;
        Eventually.True(() => _gateway.Frames.Count > frames + 5, "which goes on");
        Assert.Multiple(() =>
        {
            Assert.That(_gateway.States.Last(state => state.State == UpdateStates.RolledBack), Is.EqualTo((1u, UpdateStates.RolledBack, UpdateErrors.DidNotStay, FirmwareVersion.Text)));
            Assert.That(_gateway.Gets, Has.Count.EqualTo(gets), "it is not fetched again");
            AssertFramesWhole();
        });
    }

    [Test]
    public void A_build_that_never_reaches_the_gateway_gives_itself_up()
    {
        Install(1, This);
        OfferTo(2, Variant("Deaf"));
        Boot();
        Eventually.True(() => _gateway.Has(UpdateStates.RolledBack), "back on the old one");
        int frames = _gateway.Frames.Count;
        Eventually.True(() => _gateway.Frames.Count > frames + 5, "which sends what the other kept");
        Assert.Multiple(() =>
        {
            Assert.That(_gateway.States.Last(state => state.State == UpdateStates.RolledBack), Is.EqualTo((1u, UpdateStates.RolledBack, UpdateErrors.NotHealthy, FirmwareVersion.Text)));
            AssertFramesWhole();
        });
    }

    private static byte[] Variant(string name) =>
        File.ReadAllBytes(Repository.PathOf("tests", "Firmware", "Update", "Variants", name, AppContext.BaseDirectory[Repository.PathOf("tests", "Firmware").Length..].TrimStart('/', '\\'), "DePIN.Firmware.dll"));

    private void Install(uint release, byte[] assembly)
    {
        UpdateBench.Install(_flash, 0, release, ("DePIN.Firmware.pe", assembly));
    }

    private void OfferTo(uint release, byte[] assembly)
    {
        _gateway.Files = [("DePIN.Firmware.pe", assembly)];
        _gateway.Offer = UpdateBench.Owner.Manifest(release, _gateway.Files);
    }

    private void Boot()
    {
        VirtualHardware hardware = new();
        SensorWiring.Connect(hardware, "model", 1, TimeProvider.System, Console.WriteLine);
        _board = new BoardRun(hardware, _flash, TextWriter.Null) { LoaderRoot = Path.Combine(_folder, "flash") + Path.DirectorySeparatorChar };
        _power = new Thread(_board.Run);
        _power.Start();
    }

    // The gateway offers to whoever subscribes.
    private void Reconnect() => _gateway.Drop();

    private void AssertFramesWhole()
    {
        Assert.That(_gateway.Contradictions, Is.Empty, "no sequence is signed over two contents");
        ulong[] sequences = [.. _gateway.Frames.Keys.Order()]; // once: more come meanwhile
        ulong newest = sequences[^1];
        Assert.That(sequences, Is.EqualTo(Enumerable.Range(1, (int)newest).Select(i => (ulong)i)), "no sequence is missing");
        for (ulong sequence = 2; sequence <= newest; sequence++)
        {
            byte[] before = _gateway.Frames[sequence - 1];
            byte[] frame = _gateway.Frames[sequence];
            Assert.That(frame.AsSpan(FrameFormat.PreviousOffset, FrameFormat.PreviousBytes).SequenceEqual(SHA256.HashData(before.AsSpan(0, before.Length - FrameFormat.SignatureBytes))
                .AsSpan(0, FrameFormat.PreviousBytes)), Is.True, $"frame {sequence} names the one before");
        }
    }
}
