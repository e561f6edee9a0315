using System;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// Whether the board obeys whoever holds its cable, or only who signs with the operator's key (setting operator-key). Kept in two
    /// generations; a damaged record is locked. A nonce is good for one try, five minutes long, and never given twice.
    /// </summary>
    public sealed class OperatorLock
    {
        public const string Name = "lock";
        public const long NonceMs = 300000;

        private readonly NodeParts _parts;
        private readonly TwoGenerations _store;
        private readonly Random _random = new Random();
        private readonly byte[] _message = new byte[OperatorMessage.Bytes];
        private byte[] _nonce;
        private long _nonceAtMs;
        private uint _given;

        public OperatorLock(NodeParts parts)
        {
            _parts = parts;
            _store = new TwoGenerations(parts.Flash, Name);
            IsLocked = _store.Open() == PairState.Damaged || (_store.Value != null && _store.Value.Length == 1 && _store.Value[0] == 1);
        }

        public bool IsLocked { get; private set; }

        /// <summary>Locks or unlocks. Without an operator's key there is nobody who could unlock: refused.</summary>
        public void Set(bool isLocked, SerialAnswer answer)
        {
            if (isLocked && OperatorKey() == null)
            {
                answer.Error(SerialErrors.Refused, "no operator-key is set: nobody could unlock this board");
                return;
            }

            _store.Write(new byte[] { isLocked ? (byte)1 : (byte)0 });
            IsLocked = isLocked;
            NodeLog.Event("lock", "locked=" + (isLocked ? "1" : "0"));
            answer.SetByte(isLocked ? SerialTypes.LockResponse : SerialTypes.UnlockResponse, isLocked ? (byte)1 : (byte)0);
        }

        /// <summary>Gives the next nonce: unpredictable from the chip's generator, and unique by a count even where that is weak.</summary>
        public void GiveNonce(SerialAnswer answer)
        {
            byte[] seed = new byte[72];
            byte[] draw = new byte[32];
            _random.NextBytes(draw);
            Array.Copy(draw, 0, seed, 0, 32);
            Array.Copy(Guid.NewGuid().ToByteArray(), 0, seed, 32, 16);
            BigEndian.WriteUInt64(seed, 48, (ulong)_parts.Time.UptimeMs());
            BigEndian.WriteUInt64(seed, 56, (ulong)_parts.Time.WallMs());
            BigEndian.WriteUInt32(seed, 64, _parts.Store != null ? _parts.Store.BootCount : 0);
            _given++;
            BigEndian.WriteUInt32(seed, 68, _given);
            _nonce = new byte[OperatorMessage.NonceBytes];
            Sha256.Hash(seed, 0, seed.Length, _nonce, 0);
            _nonceAtMs = _parts.Time.UptimeMs();
            Array.Copy(_nonce, 0, answer.Data, 0, _nonce.Length);
            answer.Set(SerialTypes.NonceResponse, _nonce.Length);
        }

        /// <summary>Whether the operator signed that command over the nonce, which is worthless afterwards; else the answer says why not. Seconds on a board.</summary>
        public bool Admits(byte type, byte[] buffer, int offset, int count, int signatureOffset, SerialAnswer answer)
        {
            byte[] nonce = _nonce;
            _nonce = null;
            byte[] key = OperatorKey();
            if (key == null)
            {
                answer.Error(SerialErrors.BadSignature, "no operator-key is set");
                return false;
            }

            if (nonce == null || _parts.Time.UptimeMs() - _nonceAtMs > NonceMs)
            {
                answer.Error(SerialErrors.BadSignature, "the nonce is used up or older than five minutes: ask for another");
                return false;
            }

            OperatorMessage.Write(type, _parts.Key.Id, nonce, buffer, offset, count, _message, 0);
            if (!new P256Verifier().Verify(key, 0, _message, 0, _message.Length, buffer, signatureOffset))
            {
                NodeLog.Event("signed-command", "type=" + type.ToString() + " message=the signature is not the operator's");
                answer.Error(SerialErrors.BadSignature, "the signature is not the operator's over this command, device and nonce");
                return false;
            }

            return true;
        }

        // As flash has it now: what was configured since the start counts, too.
        private byte[] OperatorKey()
        {
            return NodeSettings.Open(_parts.Flash).OperatorKey;
        }
    }
}
