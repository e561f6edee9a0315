// One node and its updates without a network: slots on simulated flash, a gateway that is a few lines, time as the test says.

using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Update;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;

namespace DePIN.Firmware.Tests.Update;

/// <summary>Releases of a made-up application, signed by an operator.</summary>
internal sealed class Operator(int seed)
{
    private readonly P256Signer _signer = new(P256Signer.CreatePrivateKey(new SeededEntropy(seed)));

    public byte[] PublicKey
    {
        get
        {
            byte[] key = new byte[64];
            _signer.ReadPublicKey(key, 0);
            return key;
        }
    }

    public byte[] Manifest(uint release, params (string Name, byte[] Content)[] files) => Manifest(release, null, files);

    public byte[] Manifest(uint release, Action<UpdateManifest>? change, params (string Name, byte[] Content)[] files)
    {
        byte[] id = new byte[20];
        DeviceId.FromPublicKey(PublicKey, 0, id, 0);
        UpdateManifest manifest = new()
        {
            Board = BoardPins.BoardName,
            Release = release,
            VersionText = $"0.{release}.0",
            Runtime = [1, 12, 0, 0],
            Names = [.. files.Select(file => file.Name)],
            Sizes = [.. files.Select(file => (uint)file.Content.Length)],
            Hashes = [.. files.Select(file => SHA256.HashData(file.Content))],
            OperatorId = id,
        };
        change?.Invoke(manifest);
        byte[] bytes = new byte[UpdateManifest.BytesMax];
        int count = manifest.WriteUnsigned(bytes, 0);
        _signer.Sign(bytes, 0, count, bytes, count);
        return bytes[..(count + UpdateManifest.SignatureBytes)];
    }
}

internal sealed class UpdateBench
{
    public static readonly Operator Owner = new(100);

    private const string IdText = "00112233445566778899aabbccddeeff01234567";

    private readonly FrameStore _store = FrameStore.Open(new PowerCutFlash(), FrameRing.CapacityBytesMin, new RecordingSigner());

    public UpdateBench(PowerCutFlash? flash = null, int slot = 0, bool sleeps = false)
    {
        if (flash is null)
        {
            flash = new PowerCutFlash();
            Install(flash, 0, 1, ("Node.pe", Content(700, 1)));
            SlotRecord.Open(flash).Activate(0, SlotFiles.HashOf(SlotFiles.ReadManifest(flash, 0)), UpdateStates.Idle);
        }

        Flash = flash;
        Status.Set(BoardState.Running, "test");
        NodeSettings settings = Settings;
        settings.DeepSleep = sleeps;
        Updater = new Updater(settings, flash, slot, IdText, "0.1.0", _store, Status, Health, Time);
        if (Updater.Judge is { } judge)
        {
            judge.MemoryBytes = 65536;
        }
    }

    public static NodeSettings Settings
    {
        get
        {
            NodeSettings settings = new() { UpdateHealthySeconds = 60, RingBytes = FrameRing.CapacityBytesMin };
            settings.OperatorKey = Owner.PublicKey;
            return settings;
        }
    }

    public PowerCutFlash Flash { get; }

    public ManualTime Time { get; } = new();

    public NodeStatus Status { get; } = new();

    public NodeHealth Health { get; } = new() { IsConnected = true };

    public Updater Updater { get; }

    public StopSignal Stop { get; } = new();

    /// <summary>States as reported: state and error.</summary>
    public List<(byte State, byte Error)> Reports { get; } = [];

    public List<byte[]> Gets { get; } = [];

    /// <summary>What answers a request: the chunks to deliver, in order. The default is the right one.</summary>
    public Func<byte[], IEnumerable<byte[]>>? Answer { get; set; }

    public (string Name, byte[] Content)[] Files { get; set; } = [];

    public static byte[] Content(int bytes, int seed)
    {
        byte[] content = new byte[bytes];
        new Random(seed).NextBytes(content);
        return content;
    }

    public static void Install(IFlash flash, int slot, uint release, params (string Name, byte[] Content)[] files)
    {
        byte[] manifest = Owner.Manifest(release, files);
        flash.Write(SlotFiles.ManifestName(slot), manifest, 0, manifest.Length);
        foreach ((string name, byte[] content) in files)
        {
            flash.Write(SlotFiles.FileName(slot, name), content, 0, content.Length);
        }
    }

    public void Connect() => Updater.Line.OnConnected();

    public void Offer(byte[] manifest) => Updater.Line.OnMessage(Topics.UpdateManifest(IdText), manifest);

    public void Deliver(byte[] chunk) => Updater.Line.OnMessage(Topics.UpdateChunk(IdText), chunk);

    public byte[] Chunk(byte[] get)
    {
        byte[] content = Files[UpdateGet.File(get, 0)].Content;
        byte[] chunk = new byte[UpdateChunk.BytesMax];
        return chunk[..UpdateChunk.Write(get, 0, content, (int)UpdateGet.At(get, 0), chunk, 0)];
    }

    /// <summary>Steps, answering every request, until a stop is asked for or nothing happens any more.</summary>
    public void Run(int stepsMax = 2000, int msPerStep = 100)
    {
        for (int i = 0; i < stepsMax && !Stop.IsRequested; i++)
        {
            Step();
            Time.Uptime += msPerStep;
        }
    }

    public void Step()
    {
        Updater.Step(Stop);
        while (Updater.Line.TakeOutgoing(out string topic) is { } message)
        {
            if (topic == Topics.UpdateState(IdText))
            {
                Assert.That(UpdateState.IsValid(message, 0, message.Length), Is.True);
                Reports.Add((UpdateState.State(message, 0), UpdateState.Error(message, 0)));
                continue;
            }

            Assert.That(topic, Is.EqualTo(Topics.UpdateGet(IdText)));
            Assert.That(UpdateGet.IsValid(message, 0, message.Length), Is.True);
            Gets.Add(message);
            foreach (byte[] chunk in Answer?.Invoke(message) ?? [Chunk(message)])
            {
                Deliver(chunk);
                Updater.Step(Stop);
            }
        }
    }

    /// <summary>The same flash after a power cut or a restart.</summary>
    public UpdateBench Next(int slot = 0, bool sleeps = false) => new(Flash.Survivor(), slot, sleeps) { Files = Files };
}
