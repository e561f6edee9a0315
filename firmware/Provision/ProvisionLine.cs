using System;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// What the board makes of the bytes of its serial line, without the port: Improv frames and our own among log text and garbage, one
    /// request at a time, nothing queued. A frame with a wrong checksum is never obeyed. After <see cref="SilenceMs"/> without a byte a
    /// beginning of a frame is given up, so that half a frame does not swallow the next. What a locked board still tells: identity, proof of
    /// its key, diagnostics, self-test, its network's state; all else must be signed by the operator.
    /// </summary>
    public sealed class ProvisionLine
    {
        /// <summary>Longer than any sender pauses within a frame: the largest takes 46 ms at 115200 baud.</summary>
        public const long SilenceMs = 250;

        private readonly NodeParts _parts;
        private readonly ILineOutput _output;
        private readonly SerialDecoder _decoder = new SerialDecoder(true);
        private readonly SerialAnswer _answer = new SerialAnswer();
        private readonly byte[] _frame = new byte[SerialFrame.FrameBytesMax];
        private readonly OperatorLock _lock;
        private readonly WifiStation _wifi;
        private readonly ImprovServer _improv;
        private readonly Enrolling _enrolling;
        private readonly SelfTest _selfTest;
        private readonly Wiping _wiping;
        private long _lastByteMs;

        public ProvisionLine(NodeParts parts, ILineOutput output)
        {
            _parts = parts;
            _output = output;
            _lock = new OperatorLock(parts);
            _wifi = new WifiStation(parts.Time);
            _improv = new ImprovServer(parts, _wifi, _lock, output);
            _enrolling = new Enrolling(parts.Flash);
            _selfTest = new SelfTest(parts);
            _wiping = new Wiping(parts);
        }

        /// <summary>Whether the node must start again: it was asked to, or an erasure waits for it.</summary>
        public bool IsRestartDue { get; private set; }

        /// <summary>Bytes that belonged to no frame.</summary>
        public uint SkippedBytes
        {
            get { return _decoder.SkippedBytes; }
        }

        /// <summary>The port was opened again: half a frame from before is none.</summary>
        public void Reset()
        {
            _decoder.Reset();
        }

        /// <summary>Takes bytes as they came, and erases them: a password may be among them.</summary>
        public void Take(byte[] bytes, int count)
        {
            Silence();
            _lastByteMs = _parts.Time.UptimeMs();
            for (int i = 0; i < count; i++)
            {
                _decoder.Push(bytes[i]);
                bytes[i] = 0;
                while (_decoder.TryRead())
                {
                    TakeFrame();
                }
            }
        }

        /// <summary>What has its time: silence on the line, a network that was joined, the button. Called again and again.</summary>
        public void Tend()
        {
            Silence();
            _improv.Tend();
            _wiping.Tend();
            IsRestartDue |= _wiping.IsDue;
        }

        private void Silence()
        {
            if (_parts.Time.UptimeMs() - _lastByteMs < SilenceMs)
            {
                return;
            }

            while (_decoder.TryReadAfterSilence())
            {
                TakeFrame();
            }
        }

        private void TakeFrame()
        {
            if (_decoder.IsImprov)
            {
                _improv.Take(_decoder.Type, _decoder.Buffer, _decoder.DataOffset, _decoder.DataCount);
                Array.Clear(_decoder.Buffer, _decoder.DataOffset, _decoder.DataCount);
                return;
            }

            byte type = _decoder.Type;
            byte sequence = _decoder.Sequence;
            Answer(type, _decoder.Buffer, _decoder.DataOffset, _decoder.DataCount);
            Array.Clear(_decoder.Buffer, _decoder.DataOffset, _decoder.DataCount);
            int size = SerialFrame.Write(_answer.Type, sequence, _answer.Data, 0, _answer.Count, _frame, 0);
            _output.Write(_frame, 0, size);
            NodeLog.Event("serial-request", "type=" + type.ToString() + " answer=" + _answer.Type.ToString());
            IsRestartDue |= _answer.Type == SerialTypes.RestartResponse;
        }

        private void Answer(byte type, byte[] buffer, int offset, int count)
        {
            try
            {
                if (type == SerialTypes.SignedRequest)
                {
                    AnswerSigned(buffer, offset, count);
                }
                else if (_lock.IsLocked && Changes(type))
                {
                    _answer.Error(SerialErrors.Locked, "this board is locked: the operator must sign this command");
                }
                else
                {
                    Obey(type, buffer, offset, count);
                }
            }
            catch (Exception e)
            {
                NodeLog.Fault("serial-answer", e);
                _answer.Error(SerialErrors.Failed, e.Message);
            }
        }

        // Pieces of an enrolment change nothing before its commit.
        private static bool Changes(byte type)
        {
            return type == SerialTypes.ClaimRequest || type == SerialTypes.ConfigureRequest || type == SerialTypes.RestartRequest
                || type == SerialTypes.EnrolCommitRequest || type == SerialTypes.LockRequest || type == SerialTypes.WipeRequest;
        }

        private void AnswerSigned(byte[] buffer, int offset, int count)
        {
            if (count < 1 + SerialTypes.SignatureBytes)
            {
                _answer.Error(SerialErrors.WrongLength, "a signed command is its type, its data and a signature of 64 bytes");
                return;
            }

            byte type = buffer[offset];
            int dataCount = count - 1 - SerialTypes.SignatureBytes;
            if (_lock.Admits(type, buffer, offset + 1, dataCount, offset + 1 + dataCount, _answer))
            {
                if (type == SerialTypes.UnlockRequest)
                {
                    _lock.Set(false, _answer);
                }
                else
                {
                    Obey(type, buffer, offset + 1, dataCount);
                }
            }
        }

        private void Obey(byte type, byte[] buffer, int offset, int count)
        {
            switch (type)
            {
                case SerialTypes.IdentityRequest: Identify(); break;
                case SerialTypes.ClaimRequest: Claim(buffer, offset, count); break;
                case SerialTypes.ConfigureRequest: Configure(buffer, offset, count); break;
                case SerialTypes.RestartRequest: _answer.Set(SerialTypes.RestartResponse, 0); break;
                case SerialTypes.ChallengeRequest: Prove(buffer, offset, count); break;
                case SerialTypes.EnrolBeginRequest: _enrolling.Begin(buffer, offset, count, _answer); break;
                case SerialTypes.EnrolDataRequest: _enrolling.Add(buffer, offset, count, _answer); break;
                case SerialTypes.EnrolCommitRequest: _enrolling.Commit(buffer, offset, count, _answer); break;
                case SerialTypes.DiagnosticsRequest: Diagnosing.Answer(_parts, _lock, buffer, offset, count, _answer); break;
                case SerialTypes.SelfTestRequest: _selfTest.Answer(buffer, offset, count, _answer); break;
                case SerialTypes.NonceRequest: _lock.GiveNonce(_answer); break;
                case SerialTypes.LockRequest: _lock.Set(true, _answer); break;
                case SerialTypes.UnlockRequest: _answer.Error(SerialErrors.Locked, "only the operator unlocks: sign this command"); break;
                case SerialTypes.WipeRequest: _wiping.Ask(buffer, offset, count, _answer); break;
                case SerialTypes.WipeStateRequest: _wiping.Tell(SerialTypes.WipeStateResponse, _answer); break;
                default: _answer.Error(SerialErrors.UnknownType, "unknown type " + type.ToString()); break;
            }
        }

        private void Identify()
        {
            if (HasKey())
            {
                int count = SerialIdentity.Write(_parts.Key.Signer.KeyKind, _parts.Key.PublicKey, (byte)_parts.Status.State,
                    Encoding.UTF8.GetBytes(_parts.Version), Encoding.UTF8.GetBytes(BoardPins.BoardName), _answer.Data, 0);
                _answer.Set(SerialTypes.IdentityResponse, count);
            }
        }

        private void Claim(byte[] buffer, int offset, int count)
        {
            if (count != SerialTypes.ClaimRequestBytes)
            {
                _answer.Error(SerialErrors.WrongLength, "a claim is chain id 32, registry 20, owner 20 bytes");
            }
            else if (HasKey())
            {
                byte[] chainId = Slice(buffer, offset, ClaimMessage.ChainIdBytes);
                byte[] registry = Slice(buffer, offset + ClaimMessage.ChainIdBytes, ClaimMessage.AddressBytes);
                byte[] owner = Slice(buffer, offset + ClaimMessage.ChainIdBytes + ClaimMessage.AddressBytes, ClaimMessage.AddressBytes);
                byte[] message = new byte[ClaimMessage.Bytes];
                ClaimMessage.Write(_parts.Key.Signer.KeyKind, chainId, registry, owner, message, 0);
                Sign(message, SerialTypes.ClaimResponse);
            }
        }

        private void Prove(byte[] buffer, int offset, int count)
        {
            if (count != ChallengeMessage.NonceBytes)
            {
                _answer.Error(SerialErrors.WrongLength, "a challenge is a nonce of 32 bytes");
            }
            else if (HasKey())
            {
                byte[] message = new byte[ChallengeMessage.Bytes];
                ChallengeMessage.Write(_parts.Key.Signer.KeyKind, _parts.Key.Id, buffer, offset, message, 0);
                Sign(message, SerialTypes.ChallengeResponse);
            }
        }

        private void Sign(byte[] message, byte answer)
        {
            _parts.Key.Signer.Sign(message, 0, message.Length, _answer.Data, 0);
            _answer.Set(answer, FrameFormat.SignatureBytes);
        }

        private bool HasKey()
        {
            if (_parts.Key.Signer == null)
            {
                _answer.Error(SerialErrors.NoKey, _parts.Status.Describe());
            }

            return _parts.Key.Signer != null;
        }

        private void Configure(byte[] buffer, int offset, int count)
        {
            // Judged over node.conf and the enrolment: all together must be a configuration that runs.
            EnrolmentStore enrolment = new EnrolmentStore(_parts.Flash);
            NodeSettings trial = NodeSettings.OpenEnrolled(_parts.Flash, enrolment);
            TwoGenerations store = new TwoGenerations(_parts.Flash, NodeSettings.SerialName);
            store.Open();
            byte[] older = enrolment.Newer(store);
            byte[] merged = NodeSettings.Merge(older, Slice(buffer, offset, count));
            if (merged.Length > NodeSettings.TextBytesMax)
            {
                _answer.Error(SerialErrors.Refused, "settings are at most " + NodeSettings.TextBytesMax.ToString() + " bytes");
                return;
            }

            trial.Apply(merged, 0, merged.Length);
            if (trial.Problem != null)
            {
                _answer.Error(SerialErrors.Refused, trial.Problem);
                return;
            }

            store.WriteAbove(enrolment.SettingsGeneration, merged);
            _answer.SetByte(SerialTypes.ConfigureResponse, 1);
        }

        private static byte[] Slice(byte[] buffer, int offset, int count)
        {
            byte[] slice = new byte[count];
            Array.Copy(buffer, offset, slice, 0, count);
            return slice;
        }
    }
}
