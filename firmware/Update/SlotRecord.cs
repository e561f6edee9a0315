using System;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Update
{
    /// <summary>
    /// Which slot is started, which one is being tried and how often still, and which manifest is not to be fetched again. In slots.a and
    /// slots.b (<see cref="TwoGenerations"/>). Written by the loader before it starts a slot, and by the node that runs; never by both at once.
    /// 0 version 1 | 1 active slot | 2 candidate slot | 3 tries left | 4 state | 5 error of the last update | 6 tens of seconds to try, u16 |
    /// 8 release refused u32 | 12 SHA-256 of the active slot's manifest | 44 of the candidate's | 76 of the refused one. 255 is no slot.
    /// </summary>
    public sealed class SlotRecord
    {
        public const string Name = "slots";
        public const int TriesMax = 3;
        private const byte Version = 1;
        private const byte NoSlot = 255;
        private const int HashBytes = Sha256.DigestBytes;
        private const int ActiveHashOffset = 12;
        private const int CandidateHashOffset = 44;
        private const int RefusedHashOffset = 76;
        private const int Bytes = 108;

        private readonly TwoGenerations _store;

        private SlotRecord(IFlash flash)
        {
            _store = new TwoGenerations(flash, Name);
        }

        /// <summary>How the record was found; after Absent and Damaged it says that no slot is known.</summary>
        public PairState Found { get; private set; }

        /// <summary>The slot that is known to be good, or <see cref="SlotFiles.None"/>.</summary>
        public int Active { get; private set; }

        /// <summary>The slot that is to be tried, or <see cref="SlotFiles.None"/>.</summary>
        public int Candidate { get; private set; }

        /// <summary>Starts that the candidate still has.</summary>
        public int TriesLeft { get; private set; }

        /// <summary>The loader ends a try after that long.</summary>
        public int TrySeconds { get; private set; }

        /// <summary>How the last update ended or stands: see <see cref="UpdateStates"/>.</summary>
        public byte State { get; private set; }

        /// <summary>Why, see <see cref="UpdateErrors"/>.</summary>
        public byte Error { get; private set; }

        /// <summary>Release of the manifest that was refused or rolled back, 0 when none.</summary>
        public uint RefusedRelease { get; private set; }

        /// <summary>SHA-256 of the active slot's manifest.</summary>
        public byte[] ActiveHash { get; private set; }

        public byte[] CandidateHash { get; private set; }

        public byte[] RefusedHash { get; private set; }

        public static SlotRecord Open(IFlash flash)
        {
            SlotRecord record = new SlotRecord(flash);
            record.Found = record._store.Open();
            byte[] value = record._store.Value;
            if (value == null || value.Length != Bytes || value[0] != Version)
            {
                value = new byte[Bytes];
                value[1] = NoSlot;
                value[2] = NoSlot;
                if (record.Found != PairState.Absent)
                {
                    record.Found = PairState.Damaged;
                }
            }

            record.Active = value[1] > 1 ? SlotFiles.None : value[1];
            record.Candidate = value[2] > 1 ? SlotFiles.None : value[2];
            record.TriesLeft = value[3];
            record.State = value[4];
            record.Error = value[5];
            record.TrySeconds = ((value[6] << 8) | value[7]) * 10;
            record.RefusedRelease = BigEndian.ReadUInt32(value, 8);
            record.ActiveHash = Slice(value, ActiveHashOffset);
            record.CandidateHash = Slice(value, CandidateHashOffset);
            record.RefusedHash = Slice(value, RefusedHashOffset);
            return record;
        }

        /// <summary>This slot is good and is started from now on; what was being tried is over.</summary>
        public void Activate(int slot, byte[] manifestHash, byte state)
        {
            Active = slot;
            ActiveHash = manifestHash;
            EndTry(state, UpdateErrors.None);
            Write();
        }

        /// <summary>Marks a verified slot to be tried.</summary>
        public void Stage(int slot, byte[] manifestHash, int trySeconds)
        {
            Candidate = slot;
            CandidateHash = manifestHash;
            TriesLeft = TriesMax;
            TrySeconds = trySeconds;
            State = UpdateStates.Staged;
            Error = UpdateErrors.None;
            Write();
        }

        /// <summary>One start less for the candidate; on flash before it is started.</summary>
        public void CountTry()
        {
            TriesLeft--;
            State = UpdateStates.Trying;
            Write();
        }

        /// <summary>Goes back to the active slot and remembers the candidate's manifest as refused.</summary>
        public void RollBack(uint release, byte error)
        {
            RefusedHash = CandidateHash;
            RefusedRelease = release;
            EndTry(UpdateStates.RolledBack, error);
            Write();
        }

        /// <summary>The active slot does not load any more: the other one is active, and this one's manifest is refused.</summary>
        public void Abandon(uint release, int other, byte[] otherHash)
        {
            RefusedHash = ActiveHash;
            RefusedRelease = release;
            Active = other;
            ActiveHash = otherHash;
            EndTry(UpdateStates.RolledBack, UpdateErrors.DidNotLoad);
            Write();
        }

        /// <summary>Remembers a manifest that could not be taken, so that it is not fetched again.</summary>
        public void Refuse(byte[] manifestHash, uint release, byte error)
        {
            RefusedHash = manifestHash;
            RefusedRelease = release;
            EndTry(UpdateStates.Refused, error);
            Write();
        }

        private void EndTry(byte state, byte error)
        {
            Candidate = SlotFiles.None;
            CandidateHash = new byte[HashBytes];
            TriesLeft = 0;
            State = state;
            Error = error;
        }

        private void Write()
        {
            byte[] value = new byte[Bytes];
            value[0] = Version;
            value[1] = Active < 0 ? NoSlot : (byte)Active;
            value[2] = Candidate < 0 ? NoSlot : (byte)Candidate;
            value[3] = (byte)TriesLeft;
            value[4] = State;
            value[5] = Error;
            uint tens = ((uint)TrySeconds + 9) / 10;
            value[6] = (byte)(tens >> 8);
            value[7] = (byte)tens;
            BigEndian.WriteUInt32(value, 8, RefusedRelease);
            Array.Copy(ActiveHash, 0, value, ActiveHashOffset, HashBytes);
            Array.Copy(CandidateHash, 0, value, CandidateHashOffset, HashBytes);
            Array.Copy(RefusedHash, 0, value, RefusedHashOffset, HashBytes);
            _store.Write(value);
        }

        private static byte[] Slice(byte[] value, int offset)
        {
            byte[] hash = new byte[HashBytes];
            Array.Copy(value, offset, hash, 0, HashBytes);
            return hash;
        }
    }
}
