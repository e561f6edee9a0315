using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Threading.Channels;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;
using DePIN.Protocol;
using DePIN.Provision;
using DePIN.Tests.Harness;
using DePIN.VirtualBoard.Hardware;
using Microsoft.Win32.SafeHandles;

namespace DePIN.EndToEnd.Tests.Serial;

/// <summary>The serial line over real pseudo terminals: faults told apart, nothing lost, nothing waited for without end.</summary>
[UnsupportedOSPlatform("windows"), Platform(Exclude = "Win", Reason = "pseudo terminals are Unix's")]
public sealed class SerialLineTests
{
    private static readonly TimeSpan Plenty = TimeSpan.FromMinutes(2);

    private PseudoTerminal terminal = null!;

    [SetUp]
    public void OpenTerminal() => terminal = PseudoTerminal.Open();

    [TearDown]
    public void CloseTerminal() => terminal.Dispose();

    [Test]
    public void A_port_opened_twice_is_in_use_and_the_process_that_has_it_is_named()
    {
        using SerialLine first = SerialLine.Open(terminal.Path);
        SerialException refused = Assert.Throws<SerialException>(() => SerialLine.Open(terminal.Path).Dispose())!;
        Assert.Multiple(() =>
        {
            Assert.That(refused.Code, Is.EqualTo("serial.in-use"));
            Assert.That(refused.Message, OperatingSystem.IsLinux() ? Does.Contain($"process {Environment.ProcessId})") : Does.Contain(terminal.Path));
            Assert.That(refused.ToCliError().ExitCode, Is.EqualTo(ExitCode.Unreachable));
        });
    }

    [Test]
    public void A_port_that_was_closed_can_be_opened_again()
    {
        for (int times = 0; times < 3; times++)
        {
            SerialLine.Open(terminal.Path).Dispose();
        }

        using SerialLine line = SerialLine.Open(terminal.Path);
        Assert.DoesNotThrow(() => line.Write("x"u8));
    }

    [Test, Platform("Linux")]
    public void A_port_is_exclusive_while_it_is_open_and_not_longer()
    {
        // Root passes TIOCEXCL, so the flag itself is looked at: TIOCGEXCL.
        using SafeFileHandle other = new(NativeMethods.Open(terminal.Path, 2 | 0x100), ownsHandle: true); // O_RDWR | O_NOCTTY; .NET would lock it
        byte[] flag = new byte[4];
        using (UnixSerialDevice.Open(terminal.Path, SerialLine.BaudDefault))
        {
            Assert.That((NativeMethods.Control(other, 0x80045440, flag), flag[0]), Is.EqualTo((0, 1)));
        }

        Assert.That((NativeMethods.Control(other, 0x80045440, flag), flag[0]), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task A_hang_up_in_the_middle_is_unplugged_and_comes_after_what_was_received()
    {
        using SerialLine line = SerialLine.Open(terminal.Path);
        terminal.Write("half an ans"u8);
        Assert.That(await line.ReadAsync(Plenty, CancellationToken.None), Is.EqualTo("half an ans"u8.ToArray()));
        terminal.Dispose();
        SerialException gone = Assert.ThrowsAsync<SerialException>(() => line.ReadAsync(Plenty, CancellationToken.None))!;
        Assert.Multiple(() =>
        {
            Assert.That(gone.Code, Is.EqualTo("serial.unplugged"));
            Assert.That(Assert.Throws<SerialException>(() => line.Write("more"u8))!.Code, Is.EqualTo("serial.unplugged"));
            Assert.ThrowsAsync<ChannelClosedException>(() => line.ReadAsync(CancellationToken.None).AsTask());
        });
    }

    [Test]
    public async Task Silence_is_a_time_out_of_the_given_clock_and_the_line_goes_on()
    {
        ManualTimeProvider time = new();
        using SerialLine line = new(UnixSerialDevice.Open(terminal.Path, SerialLine.BaudDefault), "it", time);
        Task<byte[]> reading = line.ReadAsync(TimeSpan.FromHours(1), CancellationToken.None);
        time.Advance(TimeSpan.FromMinutes(59));
        Assert.That(reading.IsCompleted, Is.False);
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.That(Assert.ThrowsAsync<SerialException>(() => reading)!.Code, Is.EqualTo("serial.timed-out"));
        terminal.Write("late"u8);
        Assert.That(await line.ReadAsync(Plenty, CancellationToken.None), Is.EqualTo("late"u8.ToArray()));
    }

    [Test]
    public void A_caller_who_gives_up_is_no_time_out()
    {
        using SerialLine line = SerialLine.Open(terminal.Path);
        using CancellationTokenSource stop = new();
        Task<byte[]> reading = line.ReadAsync(Plenty, stop.Token);
        stop.Cancel();
        Assert.That(async () => await reading, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task A_large_write_arrives_whole_at_a_reader_slower_than_the_line()
    {
        byte[] sent = new byte[200_000];
        new Random(7).NextBytes(sent);
        using SerialLine line = SerialLine.Open(terminal.Path);
        Task writing = Task.Run(() => line.Write(sent));
        List<byte> received = [];
        byte[] chunk = new byte[777];
        await Eventually.TrueAsync(
            () =>
            {
                for (int reads = 0; reads < 40; reads++)
                {
                    received.AddRange(chunk.AsSpan(0, terminal.Read(chunk)));
                }

                return received.Count >= sent.Length;
            },
            "all bytes are read");
        await writing;
        Assert.That(received, Is.EqualTo(sent));
    }

    [Test]
    public async Task Partial_reads_keep_every_byte_in_its_order_also_zeroes_and_control_characters()
    {
        byte[] all = [.. Enumerable.Range(0, 256 * 16).Select(value => (byte)value)];
        using SerialLine line = SerialLine.Open(terminal.Path);
        Task writing = Task.Run(() =>
        {
            for (int at = 0; at < all.Length; at += 100)
            {
                terminal.Write(all.AsSpan(at, Math.Min(100, all.Length - at)));
            }
        });
        List<byte> received = [];
        while (received.Count < all.Length)
        {
            received.AddRange(await line.ReadAsync(Plenty, CancellationToken.None));
        }

        await writing;
        Assert.That(received, Is.EqualTo(all));
    }

    [Test]
    public void A_write_that_nobody_takes_ends()
    {
        using SerialLine line = new(UnixSerialDevice.Open(terminal.Path, SerialLine.BaudDefault), "it", writeStall: TimeSpan.FromMilliseconds(200));
        Assert.That(Assert.Throws<SerialException>(() => line.Write(new byte[1_000_000]))!.Code, Is.EqualTo("serial.timed-out"));
    }

    [TestCase(9600)]
    [TestCase(115_200)]
    [TestCase(921_600)]
    [TestCase(74_880)]
    public void Usual_and_odd_rates_are_set(int baud)
    {
        using (SerialLine.Open(terminal.Path, baud))
        {
            if (OperatingSystem.IsLinux())
            {
                using Process stty = Process.Start(new ProcessStartInfo("stty", ["-F", terminal.Path, "speed"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
                string said = stty.StandardOutput.ReadToEnd() + stty.StandardError.ReadToEnd();
                Assert.That(said.Trim(), Is.EqualTo(baud == 74_880 ? "0" : $"{baud}").Or.EqualTo("74880"), "stty of an old C library shows a rate without a constant as 0");
            }
        }
    }

    [TestCase(0)]
    [TestCase(-9600)]
    [TestCase(100_000_000)]
    public void A_rate_that_is_none_is_refused(int baud) =>
        Assert.That(Assert.Throws<SerialException>(() => SerialLine.Open(terminal.Path, baud).Dispose())!.Code, Is.EqualTo("serial.bad-baud"));

    [Test]
    public void A_missing_port_and_a_file_are_told_apart()
    {
        using TempFolder folder = new();
        string file = Path.Combine(folder.Path, "file");
        File.WriteAllText(file, "");
        Assert.Multiple(() =>
        {
            Assert.That(Assert.Throws<SerialException>(() => SerialLine.Open(Path.Combine(folder.Path, "ttyUSB0")).Dispose())!.Code, Is.EqualTo("serial.no-port"));
            Assert.That(Assert.Throws<SerialException>(() => SerialLine.Open(file).Dispose())!.Code, Is.EqualTo("serial.not-serial"));
        });
    }

    [Test]
    public async Task A_reset_pulls_only_the_line_that_resets_and_never_asks_for_download_mode()
    {
        RecordingDevice device = new();
        ManualTimeProvider time = new();
        using SerialLine line = new(device, "it", time);
        Task resetting = line.ResetBoardAsync(CancellationToken.None);
        Assert.That(device.Lines, Is.EqualTo(new[] { (false, false), (false, true) }), "held in reset with the boot pin high");
        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.That(resetting.IsCompleted, Is.False);
        time.Advance(TimeSpan.FromMilliseconds(100));
        await resetting;
        Assert.That(device.Lines[^1], Is.EqualTo((false, false)));
        Assert.That(device.Lines, Has.None.EqualTo((true, false)), "the state that asks for download mode");
    }

    [Test]
    public async Task A_board_is_identified_through_noise_and_an_answer_with_a_bad_CRC_is_none()
    {
        byte[] identity = new byte[SerialIdentity.BytesMax], forged = new byte[SerialIdentity.BytesMax];
        using SampleDevice real = new(), other = new();
        int count = SerialIdentity.Write(1, real.PublicKey, 0, "1.2.3"u8.ToArray(), "esp32-devkitc"u8.ToArray(), identity, 0);
        _ = SerialIdentity.Write(1, other.PublicKey, 0, "1.2.3"u8.ToArray(), "esp32-devkitc"u8.ToArray(), forged, 0);
        using CancellationTokenSource stop = new();
        Task answering = Task.Run(
            () =>
            {
                SerialDecoder decoder = new();
                byte[] input = new byte[64], frame = new byte[SerialFrame.FrameBytesMax], noise = new byte[5000];
                Random random = new(3);
                while (!stop.IsCancellationRequested)
                {
                    int taken = terminal.Read(input);
                    for (int at = 0; at < taken; at++)
                    {
                        decoder.Push(input[at]);
                        while (decoder.TryRead())
                        {
                            random.NextBytes(noise);
                            terminal.Write(noise);
                            int size = SerialFrame.Write(SerialTypes.IdentityResponse, decoder.Sequence, forged, 0, count, frame, 0);
                            frame[size - 1] ^= 1;
                            terminal.Write(frame.AsSpan(0, size));
                            size = SerialFrame.Write(SerialTypes.IdentityResponse, (byte)(decoder.Sequence + 1), forged, 0, count, frame, 0);
                            terminal.Write(frame.AsSpan(0, size));
                            size = SerialFrame.Write(SerialTypes.IdentityResponse, decoder.Sequence, identity, 0, count, frame, 0);
                            terminal.Write(frame.AsSpan(0, size));
                        }
                    }

                    if (taken == 0)
                    {
                        Thread.Yield();
                    }
                }
            });
        try
        {
            using BoardLine board = new(SerialLine.Open(terminal.Path), "it");
            BoardIdentity found = await board.IdentifyAsync(CancellationToken.None);
            Assert.That(found.PublicKey, Is.EqualTo(real.PublicKey));
        }
        finally
        {
            await stop.CancelAsync();
            await answering;
        }
    }

    private static class NativeMethods
    {
        [DllImport("libc", EntryPoint = "open", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Open(string path, int flags);

        [DllImport("libc", EntryPoint = "ioctl", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Control(SafeFileHandle handle, nuint request, [In, Out] byte[] argument);
    }

    /// <summary>A port that does nothing and remembers its lines.</summary>
    private sealed class RecordingDevice : ISerialDevice
    {
        public List<(bool Dtr, bool Rts)> Lines { get; } = [];

        public int Read(Span<byte> buffer, TimeSpan wait)
        {
            Thread.Yield();
            return 0;
        }

        public int Write(ReadOnlySpan<byte> bytes, TimeSpan wait) => bytes.Length;

        public void SetLines(bool dtr, bool rts) => Lines.Add((dtr, rts));

        public void Dispose()
        {
        }
    }
}
