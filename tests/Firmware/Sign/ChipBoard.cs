// A board with an ATECC608B on its bus: simulated time that moves when the driver waits, a chip in any state of its life, and checks.

using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Sign;
using DePIN.Firmware.Sign.Atecc608;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;
using DePIN.VirtualBoard.Hardware.Atecc608;

namespace DePIN.Firmware.Tests.Sign;

/// <summary>Time that only waiting moves.</summary>
internal sealed class WaitingClock : IChipClock
{
    public long Now { get; set; } = 5000;

    public long NowMs() => Now;

    public void Wait(int milliseconds) => Now += milliseconds;
}

/// <summary>One board, its flash and its chip.</summary>
internal sealed class ChipBoard
{
    public const int Address = 0x60;

    public ChipBoard(Atecc608Memory? memory = null)
    {
        Chip = new SimulatedAtecc608(memory ?? new Atecc608Memory([1, 2, 3, 4, 5, 6]), () => Clock.Now);
        Hardware.AttachI2c(BoardPins.I2cBus, Address, Chip);
        Hardware.PowerOn();
        Driver = new Atecc608Chip(BoardPins.I2cBus, Address, Clock);
    }

    public VirtualHardware Hardware { get; } = new();

    public WaitingClock Clock { get; } = new();

    public SimulatedAtecc608 Chip { get; private set; }

    public Atecc608Chip Driver { get; private set; }

    public PowerCutFlash Flash { get; set; } = new();

    public NodeStatus Status { get; private set; } = new();

    public SeededEntropy Entropy { get; } = new(1);

    /// <summary>A chip that was set up: locked, with a key in slot 0.</summary>
    public static ChipBoard Provisioned()
    {
        ChipBoard board = new();
        new Atecc608Provisioner(board.Driver, 0).Run();
        return board;
    }

    /// <summary>Opens the node's key, as a boot does.</summary>
    public DeviceKey Open(string settings)
    {
        NodeSettings parsed = new();
        byte[] text = System.Text.Encoding.ASCII.GetBytes(settings);
        parsed.Apply(text, 0, text.Length);
        Status = new NodeStatus();
        Stages.Judge(Status, parsed);
        return DeviceKey.Open(parsed, Flash, Entropy, Status, Clock);
    }

    /// <summary>Off and on: the chip keeps what is in its memory.</summary>
    public void PowerCycle()
    {
        Chip = new SimulatedAtecc608(Chip.Memory, () => Clock.Now);
        Hardware.AttachI2c(BoardPins.I2cBus, Address, Chip);
        Driver = new Atecc608Chip(BoardPins.I2cBus, Address, Clock);
        Flash = Flash.Survivor();
    }

    public byte[] Sign(byte[] digest, int slot = 0)
    {
        byte[] signature = new byte[64];
        Driver.Sign(slot, digest, 0, signature, 0);
        return signature;
    }

    public static ECDsa Verifier(byte[] publicKey) => ECDsa.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint { X = publicKey[..32], Y = publicKey[32..] },
    });
}
