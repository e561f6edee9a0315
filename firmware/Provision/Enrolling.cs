using System;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// Takes an enrolment in pieces into RAM and puts it on flash as a whole (<see cref="EnrolmentStore"/>). A cable that is pulled leaves the
    /// pieces: the same begin goes on where they end. A restart forgets them, and flash still has the enrolment before. A commit that is
    /// asked for again is answered alike.
    /// </summary>
    public sealed class Enrolling
    {
        private readonly IFlash _flash;
        private byte[] _bytes;
        private int _held;
        private uint _crc;

        public Enrolling(IFlash flash)
        {
            _flash = flash;
        }

        /// <summary>Begins one, or goes on with the same.</summary>
        public void Begin(byte[] buffer, int offset, int count, SerialAnswer answer)
        {
            if (count != SerialTypes.EnrolBeginBytes)
            {
                answer.Error(SerialErrors.WrongLength, "a beginning is length and CRC-32, 4 bytes each");
                return;
            }

            uint length = BigEndian.ReadUInt32(buffer, offset);
            uint crc = BigEndian.ReadUInt32(buffer, offset + 4);
            if (length == 0 || length > (uint)SerialEnrolment.BytesMax)
            {
                answer.Error(SerialErrors.Refused, "an enrolment has 1 to " + SerialEnrolment.BytesMax.ToString() + " bytes");
                return;
            }

            if (_bytes == null || _bytes.Length != (int)length || _crc != crc)
            {
                Forget();
                _bytes = new byte[(int)length];
                _crc = crc;
            }

            TellHeld(SerialTypes.EnrolBeginResponse, answer);
        }

        /// <summary>Takes the piece that follows; any other changes nothing.</summary>
        public void Add(byte[] buffer, int offset, int count, SerialAnswer answer)
        {
            if (count <= SerialTypes.EnrolDataOffset)
            {
                answer.Error(SerialErrors.WrongLength, "a piece is its offset, 4 bytes, and at least one byte");
                return;
            }

            if (_bytes == null)
            {
                answer.Error(SerialErrors.Refused, "no enrolment was begun");
                return;
            }

            uint at = BigEndian.ReadUInt32(buffer, offset);
            int length = count - SerialTypes.EnrolDataOffset;
            if (at == (uint)_held)
            {
                if (length > _bytes.Length - _held)
                {
                    answer.Error(SerialErrors.Refused, "the piece goes beyond the enrolment's length");
                    return;
                }

                Array.Copy(buffer, offset + SerialTypes.EnrolDataOffset, _bytes, _held, length);
                _held += length;
            }

            TellHeld(SerialTypes.EnrolDataResponse, answer);
        }

        /// <summary>Judges the whole and puts it on flash. IOException: flash did not keep it, and has what it had.</summary>
        public void Commit(byte[] buffer, int offset, int count, SerialAnswer answer)
        {
            if (count != SerialTypes.EnrolCommitBytes)
            {
                answer.Error(SerialErrors.WrongLength, "a commit is length and CRC-32, 4 bytes each, and SHA-256");
                return;
            }

            byte[] digest = new byte[Sha256.DigestBytes];
            Array.Copy(buffer, offset + 8, digest, 0, digest.Length);
            EnrolmentStore store = new EnrolmentStore(_flash);
            NodeSettings trial = NodeSettings.OpenFile(_flash);
            store.Open();
            if (_bytes == null && store.IsOf(digest))
            {
                answer.SetByte(SerialTypes.EnrolCommitResponse, 1);
                return;
            }

            string problem = Judge(BigEndian.ReadUInt32(buffer, offset), BigEndian.ReadUInt32(buffer, offset + 4), digest);
            if (problem != null)
            {
                answer.Error(SerialErrors.Refused, problem);
                return;
            }

            TwoGenerations configured = new TwoGenerations(_flash, NodeSettings.SerialName);
            configured.Open();
            byte[] older = store.Newer(configured);
            byte[] lines = Merged(store.Find(EnrolmentTags.Settings), older, SerialEnrolment.Find(EnrolmentTags.Settings, _bytes, 0, _bytes.Length));
            if (lines.Length > SerialEnrolment.SettingsBytesMax)
            {
                answer.Error(SerialErrors.Refused, "settings are at most " + SerialEnrolment.SettingsBytesMax.ToString() + " bytes, with those the board has");
                return;
            }

            trial.Apply(lines, 0, lines.Length);
            if (trial.Problem != null)
            {
                answer.Error(SerialErrors.Refused, trial.Problem);
                return;
            }

            byte[] sections = new byte[SerialEnrolment.BytesMax];
            int size = SerialEnrolment.Append(EnrolmentTags.Settings, lines, sections, 0);
            for (byte tag = EnrolmentTags.Authority; tag <= EnrolmentTags.Last; tag++)
            {
                // A section that is not sent stays as it was: lines, too, are named or stay.
                byte[] content = SerialEnrolment.Find(tag, _bytes, 0, _bytes.Length);
                content = content != null ? content : store.Find(tag);
                if (content != null)
                {
                    size = SerialEnrolment.Append(tag, content, sections, size);
                }
            }

            store.Write(digest, SettingsGeneration(store, configured), LabelGeneration(store), sections, size);
            Array.Clear(sections, 0, sections.Length);
            Forget();
            NodeLog.Event("enrolled", "bytes=" + size.ToString());
            answer.SetByte(SerialTypes.EnrolCommitResponse, 1);
        }

        private string Judge(uint length, uint crc, byte[] digest)
        {
            if (_bytes == null || length != (uint)_bytes.Length || crc != _crc)
            {
                return "this enrolment was not begun";
            }

            if (_held != _bytes.Length)
            {
                return "pieces are missing from " + _held.ToString();
            }

            byte[] own = new byte[Sha256.DigestBytes];
            Sha256.Hash(_bytes, 0, _bytes.Length, own, 0);
            if (Crc32.Compute(_bytes, 0, _bytes.Length) != _crc || !TwoGenerations.Same(own, digest))
            {
                Forget();
                return "the pieces are not what CRC-32 and SHA-256 say: begin again";
            }

            return SerialEnrolment.Problem(_bytes, 0, _bytes.Length);
        }

        private static byte[] Merged(byte[] oldest, byte[] older, byte[] newest)
        {
            byte[] lines = oldest != null ? oldest : new byte[0];
            lines = older != null ? NodeSettings.Merge(lines, older) : lines;
            return newest != null ? NodeSettings.Merge(lines, newest) : lines;
        }

        // Lost slots count from one again: what was taken in stays taken in.
        private static uint SettingsGeneration(EnrolmentStore store, TwoGenerations configured)
        {
            return configured.Generation > store.SettingsGeneration ? configured.Generation : store.SettingsGeneration;
        }

        // Only an enrolment with a name is newer than the name that is set.
        private uint LabelGeneration(EnrolmentStore store)
        {
            uint set = NodeLabel.Open(_flash).Generation;
            bool names = SerialEnrolment.Find(EnrolmentTags.Name, _bytes, 0, _bytes.Length) != null;
            return names && set > store.LabelGeneration ? set : store.LabelGeneration;
        }

        private void TellHeld(byte type, SerialAnswer answer)
        {
            BigEndian.WriteUInt32(answer.Data, 0, (uint)_held);
            answer.Set(type, 4);
        }

        // There may be a password in it.
        private void Forget()
        {
            if (_bytes != null)
            {
                Array.Clear(_bytes, 0, _bytes.Length);
            }

            _bytes = null;
            _held = 0;
        }
    }
}
