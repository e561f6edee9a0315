using System;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// The board's enrolment: one value of two generations, so that settings, authority, credentials and names change together or not at all.
    /// The lines that were configured over serial before are inside it; the numbers of what it took in say which of theirs are older.
    /// Value: 0 version 1 | 1 SHA-256 of the enrolment as it was sent, 32 bytes | 33 generation of conf u32 BE | 37 generation of label u32 BE
    /// | 41 sections (<see cref="SerialEnrolment"/>), the settings merged.
    /// </summary>
    public sealed class EnrolmentStore
    {
        public const string Name = "enrol";
        private const byte Version = 1;
        private const int DigestOffset = 1;
        private const int SettingsGenerationOffset = 33;
        private const int LabelGenerationOffset = 37;
        private const int SectionsOffset = 41;

        private readonly TwoGenerations _store;

        public EnrolmentStore(IFlash flash)
        {
            _store = new TwoGenerations(flash, Name, SectionsOffset + SerialEnrolment.BytesMax);
        }

        /// <summary>Whether the board is enrolled.</summary>
        public bool IsThere { get; private set; }

        /// <summary>Lines in conf of this generation and older are inside the enrolment.</summary>
        public uint SettingsGeneration
        {
            get { return IsThere ? BigEndian.ReadUInt32(_store.Value, SettingsGenerationOffset) : 0; }
        }

        /// <summary>The lines that were configured since the enrolment; null: none.</summary>
        public byte[] Newer(TwoGenerations configured)
        {
            return configured.Generation > SettingsGeneration ? configured.Value : null;
        }

        /// <summary>Names in label of this generation and older gave way to the enrolment's.</summary>
        public uint LabelGeneration
        {
            get { return IsThere ? BigEndian.ReadUInt32(_store.Value, LabelGenerationOffset) : 0; }
        }

        /// <summary>Reads it. Something unreadable, or of another version, is Damaged.</summary>
        public PairState Open()
        {
            PairState state = _store.Open();
            byte[] value = _store.Value;
            IsThere = value != null && value.Length > SectionsOffset && value[0] == Version
                && SerialEnrolment.Problem(value, SectionsOffset, value.Length - SectionsOffset) == null;
            return value != null && !IsThere ? PairState.Damaged : state;
        }

        /// <summary>A section; null when there is none.</summary>
        public byte[] Find(byte tag)
        {
            return IsThere ? SerialEnrolment.Find(tag, _store.Value, SectionsOffset, _store.Value.Length - SectionsOffset) : null;
        }

        /// <summary>Whether what is stored came as bytes with that digest.</summary>
        public bool IsOf(byte[] digest)
        {
            for (int i = 0; i < Sha256.DigestBytes; i++)
            {
                if (!IsThere || digest[i] != _store.Value[DigestOffset + i])
                {
                    return false;
                }
            }

            return true;
        }

        /// <summary>Puts an enrolment in the place of the one before. Throws IOException when flash did not keep it.</summary>
        public void Write(byte[] digest, uint settingsGeneration, uint labelGeneration, byte[] sections, int count)
        {
            byte[] value = new byte[SectionsOffset + count];
            value[0] = Version;
            Array.Copy(digest, 0, value, DigestOffset, Sha256.DigestBytes);
            BigEndian.WriteUInt32(value, SettingsGenerationOffset, settingsGeneration);
            BigEndian.WriteUInt32(value, LabelGenerationOffset, labelGeneration);
            Array.Copy(sections, 0, value, SectionsOffset, count);
            _store.Write(value);
            IsThere = true;
        }
    }
}
