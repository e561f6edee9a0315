using System.Net.Http.Headers;
using System.Text;
using DePIN.Cli.Bench;
using DePIN.Cli.Contracts;
using DePIN.Cli.Provision;
using DePIN.Cli.Serial;
using DePIN.Cli.Up;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Protocol;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.EndToEnd.Tests.Provision;

/// <summary>
/// What can go wrong at a lane: boards are real processes behind real pseudo-terminals, chain and gateway are real; the fault is in the bytes, the plug,
/// the power or the network. Each one is told with its step, its code and what to do; the same command run again finishes, and pays once.
/// </summary>
public sealed class LaneFaultTests
{
    private TempFolder _folder = null!;
    private ProvisionFloor _floor = null!;
    private int _boards;
    private int _reports;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _folder = new TempFolder();
        _floor = await ProvisionFloor.StartAsync(_folder.Sub("floor"), CancellationToken.None);
    }

    [OneTimeTearDown]
    public async Task EndAsync()
    {
        await _floor.DisposeAsync();
        _folder.Dispose();
    }

    private static IEnumerable<TestCaseData> Unplugged() =>
        Enum.GetValues<ProvisionStep>().Except([ProvisionStep.Open, ProvisionStep.Done])
            .SelectMany(step => new[] { false, true }.Select(answered => new TestCaseData(step, answered)));

    [TestCaseSource(nameof(Unplugged))]
    public async Task Unplugged_at_a_step(ProvisionStep at, bool afterAnswer)
    {
        string path = await PlugAsync();
        bool touched = false;
        ReportLine line = await RunAsync(new FaultyPort(path, (port, device) => new FaultyDevice(device)
        {
            Touch = () => { if (!afterAnswer && port.Lane!.Step >= at) throw FaultyDevice.Unplugged(); },
            FromBoard = bytes =>
            {
                if (afterAnswer && port.Lane!.Step >= at) throw FaultyDevice.Unplugged(); // the board did it, nobody heard so
                touched = true;
                return bytes;
            },
        }), wifi: "depot");
        if (at is ProvisionStep.Confirm or ProvisionStep.Label)
        {
            Assert.That(line.Code, Is.EqualTo("P000"), "the cable is not needed any more");
        }
        else
        {
            // Registering needs no cable: it is missed one step later.
            ProvisionStep seen = at == ProvisionStep.Register ? ProvisionStep.Wifi : at;
            AssertTold(line, "P902", seen);
        }

        Assert.That(touched, Is.EqualTo(at > ProvisionStep.Identify));
        await AssertFinishesAsync(path, line.Device, wifi: "depot");
    }

    [Test]
    public async Task A_port_that_is_gone_or_taken()
    {
        AssertTold(await RunAsync(new SerialBoardPort(Path.Combine(_folder.Path, "no-port"))), "P101", ProvisionStep.Open);
        string path = await PlugAsync();
        using (UnixSerialDevice.Open(path, SerialLine.BaudDefault))
            AssertTold(await RunAsync(new SerialBoardPort(path)), "P101", ProvisionStep.Open);
        await AssertFinishesAsync(path, "");
    }

    [Test]
    public async Task Garbage_before_frames_and_inside_them_costs_a_repetition_and_nothing_else()
    {
        string path = await PlugAsync();
        Random random = new(7);
        bool spoilAnswer = false;
        int copies = 0;
        byte[] spoiled = [];
        int spoiledAnswers = 0, spoiledRequests = 0;
        ReportLine line = await RunAsync(new FaultyPort(path, (_, device) => new FaultyDevice(device)
        {
            // Of each new request the first copy is broken on its way; of its repetition the first answer is.
            ToBoard = bytes =>
            {
                bool isNew = !bytes.AsSpan().SequenceEqual(spoiled);
                copies = isNew ? 1 : copies + 1;
                spoilAnswer = copies == 2;
                if (!isNew) return [.. Noise(random), .. bytes];
                spoiled = bytes;
                spoiledRequests++;
                byte[] broken = [.. bytes];
                broken[random.Next(broken.Length)] ^= (byte)(1 << random.Next(8));
                return broken;
            },
            FromBoard = bytes =>
            {
                if (!spoilAnswer) return [.. Noise(random), .. bytes];
                spoilAnswer = false;
                spoiledAnswers++;
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                return bytes;
            },
        }));
        Assert.That(line.Code, Is.EqualTo("P000"), line.Message);
        Assert.That((spoiledRequests, spoiledAnswers), Is.GreaterThan((5, 4)));
        await AssertFinishesAsync(path, line.Device);
    }

    [Test]
    public async Task A_board_that_answers_late_twice_and_for_other_commands()
    {
        string path = await PlugAsync();
        List<byte> held = [];
        int requests = 0;
        byte[] last = [];
        ReportLine line = await RunAsync(new FaultyPort(path, (_, device) => new FaultyDevice(device)
        {
            ToBoard = bytes =>
            {
                requests = bytes.AsSpan().SequenceEqual(last) ? requests + 1 : 1;
                last = bytes;
                return bytes;
            },
            FromBoard = bytes =>
            {
                // Held back until the request was repeated; then everything twice, behind an answer to a command that nobody gave.
                held.AddRange(bytes);
                if (requests < 2) return [];
                byte sequence = last.Length > SerialFrame.SequenceOffset ? last[SerialFrame.SequenceOffset] : (byte)0;
                byte[] all = [.. Frame(SerialTypes.SelfTestResponse, sequence), .. Frame(SerialTypes.IdentityResponse, (byte)(sequence + 1)), .. held, .. held];
                held.Clear();
                return all;
            },
        }));
        Assert.That(line.Code, Is.EqualTo("P000"), line.Message);
        await AssertFinishesAsync(path, line.Device);
    }

    [Test]
    public async Task A_board_that_says_nothing()
    {
        string path = await PlugAsync();
        AssertTold(await RunAsync(new FaultyPort(path, (_, device) => new FaultyDevice(device) { FromBoard = _ => [] }, tries: 2)), "P201", ProvisionStep.Identify);
        await AssertFinishesAsync(path, "");
    }

    [Test]
    public async Task A_claim_by_another_key_is_seen_before_anybody_pays()
    {
        string path = await PlugAsync();
        ulong paid = await PaidAsync();
        ReportLine line = await RunAsync(new FaultyPort(path, (port, device) => new FaultyDevice(device)
        {
            FromBoard = bytes => port.Lane!.Step == ProvisionStep.Claim ? Forge(bytes) : bytes,
        }));
        AssertTold(line, "P302", ProvisionStep.Claim);
        Assert.That(await PaidAsync(), Is.EqualTo(paid));
        await AssertFinishesAsync(path, line.Device);
    }

    [Test]
    public async Task The_same_board_on_two_ports_is_provisioned_once()
    {
        string path = await PlugAsync();
        ulong paid = await PaidAsync();
        using TwoPlugs plugs = new(UnixSerialDevice.Open(path, SerialLine.BaudDefault));
        ProvisionRun run = Run(out ProvisionReport report);
        ProvisionLane[] lanes = [new(run, new Plugged("left", plugs.Plug(0))), new(run, new Plugged("right", plugs.Plug(1)))];
        ReportLine[] lines;
        using (report) lines = await Task.WhenAll(lanes.Select(lane => Task.Run(() => lane.RunAsync(CancellationToken.None))));
        Assert.That(lines.Select(line => line.Code), Is.EquivalentTo(new[] { "P000", "P102" }));
        AssertTold(lines.Single(line => line.Code == "P102"), "P102", ProvisionStep.Identify);
        Assert.That(await PaidAsync(), Is.EqualTo(paid + 1));
    }

    [Test]
    public async Task The_wrong_password_and_then_the_right_one()
    {
        string control = Path.Combine(_folder.Path, $"control-{_boards}");
        await File.WriteAllTextAsync(control, "wifi depot|right horse|-50\n");
        string path = await PlugAsync("--control", control);
        AssertTold(await RunAsync(new SerialBoardPort(path), wifi: "depot", password: "wrong horse"), "P403", ProvisionStep.Wifi);
        AssertTold(await RunAsync(new SerialBoardPort(path), wifi: "attic", password: "right horse"), "P403", ProvisionStep.Wifi);
        await AssertFinishesAsync(path, "", wifi: "depot", password: "right horse");
    }

    [Test]
    public async Task The_chain_away_before_during_and_after_the_registration()
    {
        foreach (ChainFault fault in Enum.GetValues<ChainFault>())
        {
            string path = await PlugAsync();
            ulong paid = await PaidAsync();
            if (fault == ChainFault.Stopped) await SignalAsync("-STOP");
            ReportLine line = await RunAsync(new SerialBoardPort(path), chain: fault);
            if (fault == ChainFault.Stopped) await SignalAsync("-CONT");
            AssertTold(line, "P501", ProvisionStep.Register);
            await AssertFinishesAsync(path, line.Device);
            Assert.That(await PaidAsync(), Is.EqualTo(paid + 1), $"{fault}: registered once");
        }
    }

    [Test]
    public async Task The_gateway_away_while_the_first_frame_is_waited_for()
    {
        string path = await PlugAsync();
        bool killed = false;
        ReportLine line = await RunAsync(new FaultyPort(path, (port, device) => new FaultyDevice(device)
        {
            Touch = () =>
            {
                if (killed || port.Lane!.Step != ProvisionStep.Restart) return;
                killed = true;
                _floor.Gateway.KillAsync().Wait();
            },
        }));
        AssertTold(line, "P601", ProvisionStep.Confirm);
        await _floor.Gateway.LaunchAsync(CancellationToken.None);
        await AssertFinishesAsync(path, line.Device);
    }

    [Test]
    public async Task Power_that_is_cut_during_the_enrolment_leaves_the_old_or_the_new_and_no_key_is_lost([Values(1, 3, -1, 0)] int cutAtRequest, [Values] bool wasEnrolled)
    {
        LocalBoard board = Start(++_boards);
        string path = await board.SerialPathAsync(CancellationToken.None);
        if (wasEnrolled) await AssertFinishesAsync(path, "");
        SerialDecoder answers = new();
        int requests = 0;
        bool cut = false;
        ReportLine line = await RunAsync(new FaultyPort(path, (port, device) => new FaultyDevice(device)
        {
            ToBoard = bytes =>
            {
                if (port.Lane!.Step != ProvisionStep.Enrol) return bytes;
                requests++;
                bool isCommit = bytes[SerialFrame.TypeOffset] == SerialTypes.EnrolCommitRequest;
                if (cutAtRequest > 0 ? requests == cutAtRequest : cutAtRequest == 0 && isCommit) Cut();
                return bytes;
            },
            FromBoard = bytes =>
            {
                foreach (byte value in bytes)
                {
                    answers.Push(value);
                    while (answers.TryRead())
                        if (cutAtRequest < 0 && answers.Type == SerialTypes.EnrolCommitResponse) Cut(); // it is written
                }

                return bytes;
            },
        }));
        void Cut()
        {
            cut = true;
            board.Process.KillAsync().Wait();
        }

        Assert.That(cut, "the power went");
        AssertTold(line, "P902", line.Step == "enrol" ? ProvisionStep.Enrol : ProvisionStep.Restart);
        await AssertFinishesAsync(await Start(_boards).SerialPathAsync(CancellationToken.None), line.Device);
    }

    private async Task SignalAsync(string signal)
    {
        using System.Diagnostics.Process kill = System.Diagnostics.Process.Start("kill", [signal, $"{_floor.Chain.Node.ProcessId}"]);
        await kill.WaitForExitAsync();
    }

    private static void AssertTold(ReportLine line, string code, ProvisionStep step) => Assert.Multiple(() =>
    {
        Assert.That(line.Code, Is.EqualTo(code), line.Message);
        Assert.That(line.Step, Is.EqualTo(step.ToString().ToLowerInvariant()), line.Message);
        Assert.That(line.Message, Is.Not.Empty);
        Assert.That(line.Next, Is.Not.Empty);
    });

    /// <summary>The same command again: it finishes, with the same device, and the chain has one registration of it.</summary>
    private async Task AssertFinishesAsync(string path, string device, string wifi = "", string password = "")
    {
        ReportLine line = await RunAsync(new SerialBoardPort(path), wifi, password);
        Assert.That(line.Code, Is.EqualTo("P000"), $"{line.Step}: {line.Message}");
        if (device.Length > 0) Assert.That(line.Device, Is.EqualTo(device), "no key is lost");
        LogFilter filter = new([_floor.Chain.Deployment.DeviceRegistry], [[DeviceRegistry.DeviceRegisteredEvent.Topic]], 0, await _floor.Chain.Client.GetBlockNumberAsync());
        int registrations = 0;
        await foreach (EventLog log in _floor.Chain.Client.GetLogsAsync(filter))
            if (DeviceRegistry.DeviceRegisteredEvent.TryDecode(log.Topics, log.Data, out var registered) && new DePIN.Gateway.Verify.DeviceIdValue(registered.Device).ToString() == line.Device) registrations++;
        Assert.That(registrations, Is.EqualTo(1));
    }

    private Task<string> PlugAsync(params string[] more) => Start(++_boards, more).SerialPathAsync(CancellationToken.None);

    // Boards of one floor end with it; a number is a folder, so the same number is the same flash.
    private LocalBoard Start(int number, params string[] more) => _floor.PlugAs($"fault-{number}", more);

    private Task<ulong> PaidAsync() => _floor.Chain.Client.GetTransactionCountAsync(_floor.Chain.Owner, BlockTag.Latest);

    private ProvisionRun Run(out ProvisionReport report, string wifi = "", string password = "", ChainFault? chain = null)
    {
        report = ProvisionReport.Open(Path.Combine(_folder.Path, $"report-{_reports++}"));
        ProvisionJob job = ProvisionJob.Read(_floor.Template) with { Wifi = wifi };
        GatewaySigner payer = PrivateKeyFile.Read(_floor.KeyFile);
        EthereumClient client = chain is null ? _floor.Chain.Client
            : new(new JsonRpc(new HttpClient(new FaultyChain(chain.Value)), new JsonRpcSettings(_floor.Chain.Node.RpcUrl) { RoundsMax = 1, AttemptTimeout = TimeSpan.FromSeconds(3) }, TimeProvider.System, new Random()));
        ClaimRegistrar registrar = new(client, job.DeviceRegistry, payer, job.OwnerAddress, TimeProvider.System);
        return new ProvisionRun(job, DeviceManifest.Read(null, report), report, registrar, (device, stop) => ProvisionCommand.SeenAsync(_floor.Gateway.Api, device, stop), Labels: null, TimeProvider.System) { WifiPassword = Encoding.UTF8.GetBytes(password) };
    }

    private async Task<ReportLine> RunAsync(IBoardPort port, string wifi = "", string password = "", ChainFault? chain = null)
    {
        ProvisionRun run = Run(out ProvisionReport report, wifi, password, chain);
        using (report)
        {
            ProvisionLane lane = new(run, port);
            if (port is FaultyPort faulty) faulty.Lane = lane;
            return await lane.RunAsync(CancellationToken.None);
        }
    }

    private static byte[] Noise(Random random)
    {
        byte[] noise = new byte[random.Next(24)];
        random.NextBytes(noise);
        return [.. "I (327) boot: DE"u8, .. noise, .. "IMPROV"u8];
    }

    private static byte[] Frame(byte type, byte sequence)
    {
        byte[] frame = new byte[SerialFrame.FrameBytesMax];
        return frame[..SerialFrame.Write(type, sequence, new byte[3], 0, 3, frame, 0)];
    }

    // A whole frame with another signature and a good CRC: a board that is not what it says.
    private static byte[] Forge(byte[] bytes)
    {
        SerialDecoder decoder = new();
        foreach (byte value in bytes)
        {
            decoder.Push(value);
            if (!decoder.TryRead() || decoder.Type != SerialTypes.ClaimResponse) continue;
            byte[] data = decoder.Buffer.AsSpan(decoder.DataOffset, decoder.DataCount).ToArray(), frame = new byte[SerialFrame.FrameBytesMax];
            data[5] ^= 1;
            return frame[..SerialFrame.Write(decoder.Type, decoder.Sequence, data, 0, data.Length, frame, 0)];
        }

        return [];
    }

    private enum ChainFault
    {
        /// <summary>The node itself is stopped: it takes connections and says nothing.</summary>
        Stopped,

        Away,
        SentAndNotHeard,
        NotSent,
    }

    private sealed class Plugged(string name, ISerialDevice device) : IBoardPort
    {
        public string Name => name;

        public IBoardLine Open() => new BoardLine(new SerialLine(device, name), name);
    }

    /// <summary>The endpoint's network: what is lost is lost for good, as a cable does it.</summary>
    private sealed class FaultyChain(ChainFault fault) : DelegatingHandler(new SocketsHttpHandler())
    {
        private bool _isGone = fault == ChainFault.Away;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (_isGone) throw new HttpRequestException("the network is gone");
            string body = await request.Content!.ReadAsStringAsync(cancellationToken);
            bool sends = body.Contains("eth_sendRawTransaction", StringComparison.Ordinal);
            if (sends && fault == ChainFault.NotSent)
            {
                _isGone = true;
                throw new HttpRequestException("the network is gone");
            }

            request.Content = new StringContent(body, MediaTypeHeaderValue.Parse("application/json"));
            HttpResponseMessage answer = await base.SendAsync(request, cancellationToken);
            if (!sends) return answer;
            _isGone = true;
            throw new HttpRequestException("the network is gone");
        }
    }
}
