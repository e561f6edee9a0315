using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using DePIN.Firmware;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Provision;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sense.Bme280;
using DePIN.Firmware.Sign;
using DePIN.Firmware.Update;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Verify;
using DePIN.Protocol;
using DePIN.VirtualBoard.Hardware;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.BoardCost;

/// <summary>
/// The firmware's live objects (<see cref="HeapWalk"/>) on a virtual board with a BME280 and the default settings, connected with TLS
/// to the gateway's own listener, after a few frames were acknowledged. Rounds are turned by hand, so nothing moves while it is walked.
/// </summary>
/// <param name="Bytes">All of it.</param>
/// <param name="Shares">By class, the largest first.</param>
/// <param name="Types">Classes that were met.</param>
/// <param name="Acknowledged">Frames that the gateway took over TLS before it was counted.</param>
public sealed record HeapCost(int Bytes, IReadOnlyList<KeyValuePair<string, int>> Shares, IReadOnlySet<Type> Types, int Acknowledged)
{
    /// <summary>What the project may keep live; TLS and the MQTT client need 60 KB beside it.</summary>
    public const int BytesMax = 40 * 1024;

    private const int Frames = 4;
    private const int AnswerMs = 30_000;
    private const int PollMs = 10;

    /// <summary>Starts listener and node, counts, stops them. The node's log goes nowhere meanwhile.</summary>
    /// <exception cref="TimeoutException">The gateway acknowledged nothing.</exception>
    public static async Task<HeapCost> MeasureAsync(CancellationToken cancel)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("depin-cost-");
        TextWriter console = Console.Out;
        Console.SetOut(TextWriter.Null);
        using CancellationTokenSource stopping = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            using X509Certificate2 certificate = CreateCertificate();
            SslStreamCertificateContext presented = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
            AcceptingIntake intake = new();
            MqttIngest ingest = new(
                new IngestSettings { Plain = null, Tls = new IPEndPoint(IPAddress.Loopback, 0), Certificate = () => presented },
                intake, TimeProvider.System, NullLoggerFactory.Instance);
            Task listening = ingest.RunAsync(stopping.Token);
            int port = (await ingest.Listening.WaitAsync(cancel).ConfigureAwait(false)).Tls!.Port;
            HeapCost cost = await Task.Run(() => Run(folder.FullName, port, certificate.ExportCertificatePem(), intake, cancel), cancel).ConfigureAwait(false);
            await stopping.CancelAsync().ConfigureAwait(false);
            await listening.ConfigureAwait(false);
            return cost;
        }
        finally
        {
            await stopping.CancelAsync().ConfigureAwait(false);
            Console.SetOut(console);
            folder.Delete(recursive: true);
        }
    }

    // The parts that Program.Start makes, in its order; a test holds that none is missing.
    private static HeapCost Run(string folder, int port, string authorityPem, AcceptingIntake intake, CancellationToken cancel)
    {
        VirtualHardware hardware = new();
        hardware.PowerOn();
        hardware.AttachI2c(BoardPins.I2cBus, Bme280Sensor.AddressPrimary, new SimulatedBme280(() => new AirState(21.5, 47, 101_325)));
        FileFlash flash = new(folder + Path.DirectorySeparatorChar);
        Put(flash, NodeSettings.FileName, $"gateway-host=localhost\ngateway-port={port}\ntls=on\n");
        Put(flash, new NodeSettings().TlsCaFile, authorityPem);
        NodeTime time = new(new DeviceTime());
        StopSignal stop = new();

        BoardPins.Route();
        NodeStatus status = new();
        NodeHealth health = new();
        Watchdog watchdog = new();
        LifeSigns signs = new(StatusLed.Open(), status, health, watchdog, time);
        NodeSettings settings = NodeSettings.Open(flash);
        Network network = new(settings, health);
        DeepSleep sleep = new(settings, time);
        NodeClock clock = NodeClock.Open(flash, time);
        Stages.Judge(status, settings);
        DeviceKey key = DeviceKey.Open(settings, flash, new HardwareEntropy(time, network), status);
        SerialService service = new(flash, key, status, FirmwareVersion.Text, time);
        FrameStore store = FrameStore.Open(flash, settings.RingBytes, key.Signer, sleep);
        SensorSet sensors = SensorSet.Open(settings, health, flash);
        FrameComposer composer = new(settings.ProfileOr(sensors.SuggestedProfile), key.Id, store, clock);
        HealthFrames healthFrames = new(settings.HealthSeconds, health, new FrameComposer(Profiles.Node, key.Id, store, clock), store, clock);
        SampleLoop loop = new(settings, status, sensors, composer, store, clock, time, health, healthFrames);
        FramePublisher publisher = new(settings, key, store, clock, flash, network, health, watchdog, time);
        sleep.Resume(store, clock, health, healthFrames, loop, composer, status);
        Updater updater = new(settings, flash, SlotFiles.None, key.IdText, FirmwareVersion.Text, store, status, health, time);
        publisher.Carry(updater.Line);
        PublishSession uplink = new(publisher, store, clock, health, time, settings.SntpServer) { SideWork = updater };
        Thread publishing = new(() => publisher.Run(stop)) { IsBackground = true };
        publishing.Start();
        service.Parts.Settings = settings;
        service.Parts.Health = health;
        service.Parts.Clock = clock;
        service.Parts.Store = store;
        service.Parts.Sensors = sensors;
        Stages.Ready(status, settings);
        NodeLife life = new(settings, status, loop, sleep, uplink, time, watchdog, store.IsResumed, new AwakePause(time));
        try
        {
            for (int round = 0; round < Frames * settings.SamplesPerFrame; round++)
            {
                loop.Tend();
                if (loop.Measure()) loop.MakeFrame();
            }

            long deadline = Environment.TickCount64 + AnswerMs;
            while (intake.Count < Frames || store.NextOwed(0) != 0)
            {
                cancel.ThrowIfCancellationRequested();
                if (Environment.TickCount64 > deadline)
                {
                    throw new TimeoutException($"the node's frames were not acknowledged over TLS within {AnswerMs / 1000} s ({status.State}, {store.Describe()})");
                }

                Thread.Sleep(PollMs);
            }

            HeapWalk walk = new();
            foreach (object part in new object[] { stop, signs, service, life, updater, publisher })
            {
                walk.Add(part, part.GetType().Name);
            }

            walk.AddStatics();

            // nanoFramework's X509Certificate keeps the PEM text it was made of; .NET's does not.
            walk.AddArray(authorityPem.Length + 1, "authority");
            return new HeapCost(walk.Bytes, walk.Shares, walk.Types, intake.Count);
        }
        finally
        {
            stop.Request();
            store.Wake();
            publishing.Join();
        }
    }

    private static void Put(FileFlash flash, string name, string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        flash.Write(name, bytes, 0, bytes.Length);
    }

    // Signed by itself: the node trusts this one.
    private static X509Certificate2 CreateCertificate()
    {
        using ECDsa pair = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", pair, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    private sealed class AcceptingIntake : IFrameIntake
    {
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public ValueTask<FrameVerdict> SubmitAsync(ReadOnlyMemory<byte> topicDeviceId, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
        {
            byte[] bytes = frame.ToArray();
            if (FrameParser.Check(bytes, 0, bytes.Length) != FrameFault.None)
            {
                return ValueTask.FromResult(FrameVerdict.Malformed);
            }

            Interlocked.Increment(ref _count);
            return ValueTask.FromResult(FrameVerdict.Accepted);
        }
    }
}
