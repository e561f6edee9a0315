// A Plantower PMS5003 behind its UART (data manual V2.3): 32-byte frames, by itself every 800 ms or when asked, sleep and wake, answers
// to commands. Built from the manual's tables, not from the driver.

using System.Buffers.Binary;

namespace DePIN.VirtualBoard.Hardware;

/// <summary>Dust in the air, ug/m3, and the sensor's own error code.</summary>
public readonly record struct DustState(ushort Pm1, ushort Pm25, ushort Pm10, byte ErrorCode = 0);

/// <summary>A simulated PMS5003, as from the box: awake, talking by itself.</summary>
public sealed class SimulatedPms5003(Func<DustState> dust, TimeProvider time) : UartPeripheral(LineFormat.EightN1(9600))
{
    private const int FrameBytes = 32;
    private const int CommandBytes = 7;
    private const int ActiveIntervalMs = 800;

    private readonly List<byte> _command = [];
    private long _lastFrame = time.GetTimestamp();
    private bool _passive;

    /// <summary>Fan and laser are off.</summary>
    public bool IsAsleep { get; private set; }

    /// <summary>How often it was put to sleep.</summary>
    public int Sleeps { get; private set; }

    /// <summary>Commands it does not hear behind a wake: its processor is starting.</summary>
    public int DeafCommandsAfterWake { get; set; }

    /// <summary>Changes the next frames on the wire: a bit that falls over.</summary>
    public Action<byte[]>? Disturb { get; set; }

    private int Deaf { get; set; }

    protected override void OnReceive(ReadOnlySpan<byte> bytes)
    {
        foreach (byte one in bytes)
        {
            _command.Add(one);
            if ((_command.Count == 1 && one != 0x42) || (_command.Count == 2 && one != 0x4D))
            {
                _command.Clear();
            }
            else if (_command.Count == CommandBytes)
            {
                byte[] command = [.. _command];
                _command.Clear();
                int sum = command.Take(CommandBytes - 2).Sum(b => b);
                if (sum == BinaryPrimitives.ReadUInt16BigEndian(command.AsSpan(CommandBytes - 2)))
                {
                    Obey(command[2], command[4]);
                }
            }
        }
    }

    protected override void OnPoll()
    {
        while (!IsAsleep && !_passive && time.GetElapsedTime(_lastFrame).TotalMilliseconds >= ActiveIntervalMs)
        {
            _lastFrame += ActiveIntervalMs * time.TimestampFrequency / 1000;
            SendFrame();
        }
    }

    private void Obey(byte command, byte data)
    {
        if (command == 0xE4 && data == 1)
        {
            if (IsAsleep)
            {
                Deaf = DeafCommandsAfterWake;
                IsAsleep = false;
                _lastFrame = time.GetTimestamp();
            }

            return;
        }

        if (IsAsleep || Deaf-- > 0)
        {
            return;
        }

        Deaf = 0;
        switch (command)
        {
            case 0xE1:
                _passive = data == 0;
                Acknowledge(command, data);
                break;
            case 0xE2 when _passive:
                SendFrame();
                break;
            case 0xE4:
                IsAsleep = true;
                Sleeps++;
                Acknowledge(command, data);
                break;
        }
    }

    private void Acknowledge(byte command, byte data)
    {
        byte[] answer = [0x42, 0x4D, 0, 4, command, data, 0, 0];
        BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(6), (ushort)answer.Take(6).Sum(b => b));
        Send(answer);
    }

    private void SendFrame()
    {
        DustState now = dust();
        byte[] frame = new byte[FrameBytes];
        frame[0] = 0x42;
        frame[1] = 0x4D;
        frame[3] = FrameBytes - 4;

        // The factory figures (CF=1) differ from those for the air above some 30 ug/m3; here always, so that they cannot be mixed up.
        ushort[] words = [(ushort)(now.Pm1 + 1000), (ushort)(now.Pm25 + 1000), (ushort)(now.Pm10 + 1000), now.Pm1, now.Pm25, now.Pm10, 765, 252, 29, 15, 6, 6];
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(4 + (2 * i)), words[i]);
        }

        frame[28] = 0x97;
        frame[29] = now.ErrorCode;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(30), (ushort)frame.Take(30).Sum(b => b));
        Disturb?.Invoke(frame);
        Send(frame);
    }
}
