using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Keep
{
    /// <summary>How a value that is written once was found.</summary>
    public enum OnceState
    {
        /// <summary>Nothing was ever completed: it may be written.</summary>
        Absent = 0,
        Good = 1,
        /// <summary>The writing had been cut behind the first copy; it was finished now, with that same value.</summary>
        Finished = 2,
        /// <summary>One of two copies was unreadable and was written again.</summary>
        Repaired = 3,
        /// <summary>Something is there and it cannot be trusted. Nothing was changed.</summary>
        Damaged = 4,
    }

    /// <summary>
    /// A small value that is written once and outlives a bad cell and a cut at any byte: first NAME.new with a CRC-32, read back, then
    /// both slots of <see cref="TwoGenerations"/>, then NAME.new goes. So a cut while it is written is told apart from damage: with a
    /// good NAME.new it is finished, without any slot nothing was promised yet, everything else is damage and stays as evidence.
    /// </summary>
    public sealed class WrittenOnce
    {
        private const int ChecksumBytes = 4;

        private readonly IFlash _flash;
        private readonly TwoGenerations _store;
        private readonly string _newName;

        public WrittenOnce(IFlash flash, string name)
        {
            _flash = flash;
            _store = new TwoGenerations(flash, name);
            _newName = name + ".new";
        }

        /// <summary>The value; null when it is absent or damaged. Not a copy.</summary>
        public byte[] Value { get; private set; }

        /// <summary>Reads it, finishes a writing that was cut, repairs one bad copy. Throws IOException when flash does not take that.</summary>
        public OnceState Open()
        {
            PairState state = _store.Open();
            byte[] unfinished = ReadUnfinished();
            Value = null;
            if (state == PairState.Contradicting)
            {
                return OnceState.Damaged;
            }

            if (unfinished != null)
            {
                if (_store.Value == null || TwoGenerations.Same(_store.Value, unfinished))
                {
                    _store.WriteBoth(unfinished);
                    _flash.Delete(_newName);
                    Value = unfinished;
                    return OnceState.Finished;
                }

                return OnceState.Damaged;
            }

            if (state == PairState.Absent || state == PairState.Damaged)
            {
                return state == PairState.Absent ? OnceState.Absent : OnceState.Damaged;
            }

            if (state == PairState.OneGood)
            {
                _store.Repair();
                Value = _store.Value;
                return OnceState.Repaired;
            }

            Value = _store.Value;
            return OnceState.Good;
        }

        /// <summary>Whether anything is stored under this name, readable or not. Changes nothing.</summary>
        public bool IsThere()
        {
            return _store.Open() != PairState.Absent || ReadUnfinished() != null;
        }

        /// <summary>Writes it, where <see cref="Open"/> found nothing. Throws IOException when flash did not keep it.</summary>
        public void Write(byte[] value)
        {
            byte[] file = new byte[value.Length + ChecksumBytes];
            Array.Copy(value, 0, file, 0, value.Length);
            BigEndian.WriteUInt32(file, value.Length, Crc32.Compute(file, 0, value.Length));
            _flash.Write(_newName, file, 0, file.Length);
            byte[] back = ReadUnfinished();
            if (back == null || !TwoGenerations.Same(back, value))
            {
                throw new IOException("flash did not keep " + _newName);
            }

            _store.WriteBoth(value);
            _flash.Delete(_newName);
            Value = value;
        }

        private byte[] ReadUnfinished()
        {
            int length = _flash.Length(_newName);
            if (length <= ChecksumBytes || length > TwoGenerations.ValueBytesMax + ChecksumBytes)
            {
                return null;
            }

            byte[] file = new byte[length];
            if (_flash.Read(_newName, 0, file, 0, length) != length
                || BigEndian.ReadUInt32(file, length - ChecksumBytes) != Crc32.Compute(file, 0, length - ChecksumBytes))
            {
                return null;
            }

            byte[] value = new byte[length - ChecksumBytes];
            Array.Copy(file, 0, value, 0, value.Length);
            return value;
        }
    }
}
