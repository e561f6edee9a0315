// The USB socket of a classic ESP32: the runtime's debug protocol has it. What the firmware prints goes out in packets, in pieces as the runtime
// cuts them, once somebody has pinged; a start forgets that. A reboot packet starts the firmware again. The packets are those of the tool
// (WirePacket), the behaviour is nf-interpreter's (CLR_Debug::Emit, CLR_DBG_Debugger::Monitor_Ping and Monitor_Reboot).

using System.Text;
using DePIN.Cli.Serial;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.VirtualBoard.Console;

/// <summary>A second pseudo terminal that speaks for the runtime.</summary>
internal sealed class DebugPort : IDisposable
{
    /// <summary>The runtime sends what it has when it is longer, or a line ends.</summary>
    private const int PieceChars = 81;

    private const int IdleMs = 5;

    private readonly PseudoTerminal _port = PseudoTerminal.Open();
    private readonly ManualResetEvent _off = new(false);
    private readonly Lock _gate = new();
    private readonly Action _reboot;
    private bool _isHeard;
    private ushort _sequence;

    private DebugPort(Action reboot) => _reboot = reboot;

    /// <summary>Opens it and tells its path; the console's lines go out on it from now on.</summary>
    public static DebugPort Open(EventLines console, Action reboot)
    {
        DebugPort port = new(reboot);
        console.WriteLine($"debug path={port._port.Path}");
        console.Listener = port.Print;
        new Thread(port.Listen) { IsBackground = true, Name = "debug" }.Start();
        return port;
    }

    public void Dispose()
    {
        _off.Set();
        _port.Dispose();
    }

    private void Print(string line)
    {
        byte[] text = Encoding.UTF8.GetBytes(line + "\r\n");
        lock (_gate)
        {
            for (int at = 0; _isHeard && at < text.Length; at += PieceChars)
            {
                Send(WirePacket.Message, WirePacket.NonCritical | WirePacket.NoCaching, text.AsSpan(at, Math.Min(PieceChars, text.Length - at)));
            }
        }
    }

    private void Listen()
    {
        WireReader reader = new();
        byte[] input = new byte[256];
        while (!_off.WaitOne(0))
        {
            int count = _port.Read(input);
            foreach (WireMessage message in reader.Take(input.AsSpan(0, count)))
            {
                Obey(message);
            }

            if (count == 0)
            {
                _off.WaitOne(IdleMs);
            }
        }
    }

    private void Obey(WireMessage message)
    {
        lock (_gate)
        {
            if (message.Command == WirePacket.Ping)
            {
                _isHeard = true;
                Send(WirePacket.Ping, WirePacket.Reply | WirePacket.NonCritical, new byte[8]);
            }
            else if (message.Command == WirePacket.Reboot)
            {
                Send(WirePacket.Reboot, WirePacket.Reply | WirePacket.NonCritical, []);
                _isHeard = false;
            }
        }

        if (message.Command == WirePacket.Reboot)
        {
            _reboot();
        }
    }

    private void Send(uint command, uint flags, ReadOnlySpan<byte> payload) => _port.WriteNow(WirePacket.Write(command, _sequence++, flags, payload));
}
