using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Keep
{
    /// <summary>How a pair of slots was found.</summary>
    public enum PairState
    {
        /// <summary>Neither slot exists: nothing was ever stored.</summary>
        Absent = 0,
        /// <summary>Both slots are good.</summary>
        Good = 1,
        /// <summary>One slot is good, the other missing or damaged: a write was cut, or a cell died. The good one is used.</summary>
        OneGood = 2,
        /// <summary>Something is there and none of it is readable.</summary>
        Damaged = 3,
        /// <summary>Both are good and say different things under one number: somebody wrote from outside.</summary>
        Contradicting = 4,
    }

    /// <summary>
    /// A small value in two files, NAME.a and NAME.b, replaced in turn: the older slot is overwritten and read back, so a power cut
    /// leaves the other. nanoFramework has no atomic replace, this is what stands in for it.
    /// Slot: 0 "DG" | 2 version 1 | 3 zero | 4 generation u32 BE | 8 length u16 BE | 10 value | 10+n CRC-32 of all before, BE.
    /// </summary>
    public sealed class TwoGenerations
    {
        public const int ValueBytesMax = 1024;
        private const int HeaderBytes = 10;
        private const int ChecksumBytes = 4;

        private readonly IFlash _flash;
        private readonly string _slotA;
        private readonly string _slotB;
        private readonly int _valueBytesMax;
        private byte[] _value;
        private uint _generation;
        private bool _writeB;

        /// <param name="valueBytesMax">Longest value, at most 65,535 bytes.</param>
        public TwoGenerations(IFlash flash, string name, int valueBytesMax = ValueBytesMax)
        {
            _valueBytesMax = valueBytesMax;
            _flash = flash;
            _slotA = name + ".a";
            _slotB = name + ".b";
        }

        /// <summary>The stored value, null when there is none. Not a copy.</summary>
        public byte[] Value
        {
            get { return _value; }
        }

        /// <summary>How often it was stored; 0 when there is none.</summary>
        public uint Generation
        {
            get { return _generation; }
        }

        /// <summary>Reads both slots and keeps the newer good one.</summary>
        public PairState Open()
        {
            uint generationA = 0;
            uint generationB = 0;
            byte[] a = ReadSlot(_slotA, ref generationA);
            byte[] b = ReadSlot(_slotB, ref generationB);
            bool someA = _flash.Length(_slotA) >= 0;
            bool someB = _flash.Length(_slotB) >= 0;

            _value = null;
            _generation = 0;
            _writeB = false;
            if (a == null && b == null)
            {
                return someA || someB ? PairState.Damaged : PairState.Absent;
            }

            bool useA = b == null || (a != null && generationA >= generationB);
            _value = useA ? a : b;
            _generation = useA ? generationA : generationB;
            _writeB = useA;
            if (a == null || b == null)
            {
                return PairState.OneGood;
            }

            return generationA == generationB && !Same(a, b) ? PairState.Contradicting : PairState.Good;
        }

        /// <summary>Stores a new value over the older slot; on return it is on flash and was read back. Throws IOException when not.</summary>
        public void Write(byte[] value)
        {
            if (value.Length > _valueBytesMax)
            {
                throw new ArgumentException("a value has at most " + _valueBytesMax.ToString() + " bytes");
            }

            uint generation = _generation + 1;
            string slot = _writeB ? _slotB : _slotA;
            WriteSlot(slot, value, generation);
            _value = value;
            _generation = generation;
            _writeB = !_writeB;
        }

        /// <summary>The same under a number above that one, which another record may refer to, also where these slots were lost.</summary>
        public void WriteAbove(uint floor, byte[] value)
        {
            _generation = _generation < floor ? floor : _generation;
            Write(value);
        }

        /// <summary>Stores one value under one number in both slots: a value that is written once and must outlive a bad cell.</summary>
        public void WriteBoth(byte[] value)
        {
            uint generation = _generation + 1;
            WriteSlot(_slotA, value, generation);
            WriteSlot(_slotB, value, generation);
            _value = value;
            _generation = generation;
            _writeB = false;
        }

        /// <summary>Writes the value again into the slot that was not good. The good one is not touched.</summary>
        public void Repair()
        {
            WriteSlot(_writeB ? _slotB : _slotA, _value, _generation);
        }

        private void WriteSlot(string slot, byte[] value, uint generation)
        {
            byte[] bytes = new byte[HeaderBytes + value.Length + ChecksumBytes];
            bytes[0] = (byte)'D';
            bytes[1] = (byte)'G';
            bytes[2] = 1;
            BigEndian.WriteUInt32(bytes, 4, generation);
            bytes[8] = (byte)((uint)value.Length >> 8);
            bytes[9] = (byte)value.Length;
            Array.Copy(value, 0, bytes, HeaderBytes, value.Length);
            BigEndian.WriteUInt32(bytes, HeaderBytes + value.Length, Crc32.Compute(bytes, 0, HeaderBytes + value.Length));
            _flash.Write(slot, bytes, 0, bytes.Length);

            uint back = 0;
            byte[] read = ReadSlot(slot, ref back);
            if (read == null || back != generation || !Same(read, value))
            {
                throw new IOException("flash did not keep " + slot + ": it reads back differently");
            }
        }

        private byte[] ReadSlot(string slot, ref uint generation)
        {
            int length = _flash.Length(slot);
            if (length < HeaderBytes + ChecksumBytes || length > HeaderBytes + _valueBytesMax + ChecksumBytes)
            {
                return null;
            }

            byte[] bytes = new byte[length];
            if (_flash.Read(slot, 0, bytes, 0, length) != length)
            {
                return null;
            }

            int valueBytes = (bytes[8] << 8) | bytes[9];
            if (bytes[0] != (byte)'D' || bytes[1] != (byte)'G' || bytes[2] != 1 || bytes[3] != 0
                || HeaderBytes + valueBytes + ChecksumBytes != length
                || BigEndian.ReadUInt32(bytes, length - ChecksumBytes) != Crc32.Compute(bytes, 0, length - ChecksumBytes))
            {
                return null;
            }

            generation = BigEndian.ReadUInt32(bytes, 4);
            byte[] value = new byte[valueBytes];
            Array.Copy(bytes, HeaderBytes, value, 0, valueBytes);
            return value;
        }

        /// <summary>Whether two values are equal, in a time that does not tell where they differ: one of them may be a key.</summary>
        internal static bool Same(byte[] a, byte[] b)
        {
            uint different = (uint)(a.Length ^ b.Length);
            for (int i = 0; i < a.Length && i < b.Length; i++)
            {
                different |= (uint)(a[i] ^ b[i]);
            }

            return different == 0;
        }
    }
}
