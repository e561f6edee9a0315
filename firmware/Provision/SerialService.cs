using System;
using System.IO.Ports;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sign;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// Answers a technician's computer over the serial port: who the node is, the signature that claims it for an owner, settings,
    /// restart. Runs in every state, so that a node that stopped can still say why. Bytes that are no frame are passed over; one
    /// request at a time, nothing is queued. Whoever holds the cable may claim and configure: that is what possession means here.
    /// </summary>
    public sealed class SerialService
    {
        public const byte ErrorUnknownType = 1;
        public const byte ErrorWrongLength = 2;
        public const byte ErrorNoKey = 3;
        public const byte ErrorRefused = 4;
        public const byte ErrorFailed = 5;
        private const int PollMs = 20;

        private readonly IFlash _flash;
        private readonly DeviceKey _key;
        private readonly NodeStatus _status;
        private readonly string _version;
        private readonly SerialDecoder _decoder = new SerialDecoder();
        private readonly byte[] _input = new byte[64];
        private readonly byte[] _answer = new byte[SerialFrame.DataBytesMax];
        private readonly byte[] _output = new byte[SerialFrame.FrameBytesMax];

        public SerialService(IFlash flash, DeviceKey key, NodeStatus status, string version)
        {
            _flash = flash;
            _key = key;
            _status = status;
            _version = version;
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
                        _decoder.Reset();
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

        private void Serve(SerialPort port, StopSignal stop)
        {
            while (!stop.IsRequested)
            {
                int waiting = port.BytesToRead;
                if (waiting <= 0)
                {
                    stop.Wait(PollMs);
                    continue;
                }

                int count = port.Read(_input, 0, waiting < _input.Length ? waiting : _input.Length);
                for (int i = 0; i < count; i++)
                {
                    _decoder.Push(_input[i]);
                    while (_decoder.TryRead())
                    {
                        Answer(port, stop);
                    }
                }
            }
        }

        private void Answer(SerialPort port, StopSignal stop)
        {
            byte type = _decoder.Type;
            byte sequence = _decoder.Sequence;
            int count;
            byte answer = Handle(type, _decoder.Buffer, _decoder.DataOffset, _decoder.DataCount, out count);
            int size = SerialFrame.Write(answer, sequence, _answer, 0, count, _output, 0);
            port.Write(_output, 0, size);
            NodeLog.Event("serial-request", "type=" + type.ToString() + " answer=" + answer.ToString());
            if (answer == SerialTypes.RestartResponse)
            {
                stop.Request();
            }
        }

        private byte Handle(byte type, byte[] buffer, int offset, int dataCount, out int count)
        {
            try
            {
                switch (type)
                {
                    case SerialTypes.IdentityRequest: return Identity(out count);
                    case SerialTypes.ClaimRequest: return Claim(buffer, offset, dataCount, out count);
                    case SerialTypes.ConfigureRequest: return Configure(buffer, offset, dataCount, out count);
                    case SerialTypes.RestartRequest:
                        count = 0;
                        return SerialTypes.RestartResponse;
                    default: return Error(ErrorUnknownType, "unknown type " + type.ToString(), out count);
                }
            }
            catch (Exception e)
            {
                NodeLog.Fault("serial-answer", e);
                return Error(ErrorFailed, e.Message, out count);
            }
        }

        private byte Identity(out int count)
        {
            if (_key.Signer == null)
            {
                return Error(ErrorNoKey, _status.Describe(), out count);
            }

            count = SerialIdentity.Write(_key.Signer.KeyKind, _key.PublicKey, (byte)_status.State,
                Encoding.UTF8.GetBytes(_version), Encoding.UTF8.GetBytes(BoardPins.BoardName), _answer, 0);
            return SerialTypes.IdentityResponse;
        }

        private byte Claim(byte[] buffer, int offset, int dataCount, out int count)
        {
            if (dataCount != SerialTypes.ClaimRequestBytes)
            {
                return Error(ErrorWrongLength, "a claim is chain id 32, registry 20, owner 20 bytes", out count);
            }

            if (_key.Signer == null)
            {
                return Error(ErrorNoKey, _status.Describe(), out count);
            }

            byte[] chainId = Slice(buffer, offset, ClaimMessage.ChainIdBytes);
            byte[] registry = Slice(buffer, offset + ClaimMessage.ChainIdBytes, ClaimMessage.AddressBytes);
            byte[] owner = Slice(buffer, offset + ClaimMessage.ChainIdBytes + ClaimMessage.AddressBytes, ClaimMessage.AddressBytes);
            byte[] message = new byte[ClaimMessage.Bytes];
            ClaimMessage.Write(_key.Signer.KeyKind, chainId, registry, owner, message, 0);
            _key.Signer.Sign(message, 0, message.Length, _answer, 0);
            count = FrameFormat.SignatureBytes;
            return SerialTypes.ClaimResponse;
        }

        private byte Configure(byte[] buffer, int offset, int dataCount, out int count)
        {
            // Judged over what node.conf says: both together must be a configuration that runs.
            NodeSettings trial = NodeSettings.OpenFile(_flash);
            TwoGenerations store = new TwoGenerations(_flash, NodeSettings.SerialName);
            store.Open();
            byte[] lines = Slice(buffer, offset, dataCount);
            byte[] merged = NodeSettings.Merge(store.Value, lines);
            if (merged.Length > NodeSettings.TextBytesMax)
            {
                return Error(ErrorRefused, "settings are at most " + NodeSettings.TextBytesMax.ToString() + " bytes", out count);
            }

            trial.Apply(merged, 0, merged.Length);
            if (trial.Problem != null)
            {
                return Error(ErrorRefused, trial.Problem, out count);
            }

            store.Write(merged);
            _answer[0] = 1;
            count = 1;
            return SerialTypes.ConfigureResponse;
        }

        private byte Error(byte code, string text, out int count)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            int length = bytes.Length < _answer.Length - 1 ? bytes.Length : _answer.Length - 1;
            _answer[0] = code;
            Array.Copy(bytes, 0, _answer, 1, length);
            count = length + 1;
            return SerialTypes.Error;
        }

        private static byte[] Slice(byte[] buffer, int offset, int count)
        {
            byte[] slice = new byte[count];
            Array.Copy(buffer, offset, slice, 0, count);
            return slice;
        }
    }
}
