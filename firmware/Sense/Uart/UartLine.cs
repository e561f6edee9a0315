using System;
using System.IO.Ports;
using System.Threading;

namespace DePIN.Firmware.Sense.Uart
{
    /// <summary>
    /// A sensor's end of a UART, 8N1: opened once, emptied before a question, read byte by byte within a wait that ends. The wait
    /// is counted in polls and in bytes, so neither a silent device nor one that never stops talking holds a round up.
    /// </summary>
    public sealed class UartLine
    {
        public const int PollMs = 5;

        /// <summary>More than any answer with what may lie before it: two seconds of a receiver at 9600 baud.</summary>
        public const int BytesPerWaitMax = 2048;

        private readonly string _portName;
        private readonly int _baud;
        private readonly byte[] _input = new byte[64];
        private SerialPort _port;
        private int _start;
        private int _count;
        private int _pollsLeft;
        private int _bytesLeft;

        public UartLine(string portName, int baud)
        {
            _portName = portName;
            _baud = baud;
        }

        /// <summary>Opens the port, once. Throws when somebody else has it: that is a wrong setting, not an absent sensor.</summary>
        public void Open()
        {
            if (_port == null)
            {
                SerialPort port = new SerialPort(_portName, _baud, Parity.None, 8, StopBits.One);
                port.Open();
                _port = port;
            }
        }

        /// <summary>Throws away what has arrived: it is older than the question that comes now.</summary>
        public void Drain()
        {
            _start = 0;
            _count = 0;
            int bytes = 0;
            while (bytes < BytesPerWaitMax)
            {
                int waiting = _port.BytesToRead;
                if (waiting <= 0)
                {
                    return;
                }

                bytes += _port.Read(_input, 0, waiting < _input.Length ? waiting : _input.Length);
            }
        }

        public void Write(byte[] bytes, int count)
        {
            _port.Write(bytes, 0, count);
        }

        /// <summary>Begins a wait of at most that many milliseconds without a byte.</summary>
        public void BeginWait(int milliseconds)
        {
            _pollsLeft = milliseconds / PollMs;
            _bytesLeft = BytesPerWaitMax;
        }

        /// <summary>The next byte, or -1 when the wait is over.</summary>
        public int ReadByte()
        {
            if (_bytesLeft <= 0)
            {
                return -1;
            }

            while (_count == 0)
            {
                int waiting = _port.BytesToRead;
                if (waiting > 0)
                {
                    _start = 0;
                    _count = _port.Read(_input, 0, waiting < _input.Length ? waiting : _input.Length);
                }
                else if (_pollsLeft <= 0)
                {
                    return -1;
                }
                else
                {
                    _pollsLeft--;
                    Thread.Sleep(PollMs);
                }
            }

            _count--;
            _bytesLeft--;
            return _input[_start++];
        }
    }
}
