using System;
using System.IO;
using System.IO.Ports;
using DePIN.Firmware.Board;
using DePIN.Firmware.Sign;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// The serial port of whoever provisions the board: opens it, feeds <see cref="ProvisionLine"/>, and asks for a stop when the node must start
    /// again. Runs in every state, so that a node that stopped can still say why; a port that fails is opened again. Where the only port belongs to
    /// the runtime's debug protocol, the same requests come as a file (<see cref="SerialFile"/>) and the answers go to the console.
    /// </summary>
    public sealed class SerialService : ILineOutput
    {
        private const int PollMs = 20;

        private readonly ProvisionLine _line;
        private readonly byte[] _input = new byte[64];
        private SerialPort _port;

        public SerialService(IFlash flash, DeviceKey key, NodeStatus status, string version, ITimeSource time)
        {
            Parts = new NodeParts(flash, key, status, version, time);
            _line = new ProvisionLine(Parts, this);
        }

        /// <summary>What the line tells about: set as the node's parts come into being.</summary>
        public NodeParts Parts { get; private set; }

        /// <summary>
        /// Does what a file on flash asks, before the port is open. Once: the file goes first, so a power cut leaves a node that did nothing, and
        /// nobody's file starts the node again and again.
        /// </summary>
        public void TakeFile(StopSignal stop)
        {
            int length = Parts.Flash.Length(SerialFile.Name);
            if (length < 0)
            {
                return;
            }

            try
            {
                byte[] frames = new byte[length <= SerialFile.BytesMax ? length : 0];
                Parts.Flash.Read(SerialFile.Name, 0, frames, 0, frames.Length);
                Parts.Flash.Delete(SerialFile.Name);
                _line.Take(frames, frames.Length);
                _line.Reset();
                if (_line.IsRestartDue)
                {
                    stop.Request();
                }
            }
            catch (IOException e)
            {
                NodeLog.Fault("requests", e);
            }
        }

        /// <summary>Opens the port and serves until a stop is asked for; a restart request asks for one.</summary>
        public void Run(StopSignal stop)
        {
            while (!stop.IsRequested)
            {
                try
                {
                    using (SerialPort port = new SerialPort(BoardPins.ProvisionPort, BoardPins.ProvisionBaud, Parity.None, 8, StopBits.One))
                    {
                        port.Open();
                        _port = port;
                        _line.Reset();
                        Serve(port, stop);
                    }
                }
                catch (Exception e)
                {
                    NodeLog.Fault("serial", e);
                    stop.Wait(1000);
                }
            }
        }

        /// <summary>Sends an answer; to the console while no port is open. Called on the line's own thread.</summary>
        public void Write(byte[] buffer, int offset, int count)
        {
            if (_port == null)
            {
                NodeLog.Event(SerialFile.AnswerEvent, "frame=" + Convert.ToBase64String(buffer, offset, count, Base64FormattingOptions.None));
            }
            else
            {
                _port.Write(buffer, offset, count);
            }
        }

        private void Serve(SerialPort port, StopSignal stop)
        {
            while (!stop.IsRequested)
            {
                int waiting = port.BytesToRead;
                if (waiting > 0)
                {
                    int count = port.Read(_input, 0, waiting < _input.Length ? waiting : _input.Length);
                    _line.Take(_input, count);
                }
                else
                {
                    stop.Wait(PollMs);
                }

                _line.Tend();
                if (_line.IsRestartDue)
                {
                    stop.Request();
                }
            }
        }
    }
}
