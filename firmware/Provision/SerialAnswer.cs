using System;
using System.Text;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>The one answer under construction: a type and at most 512 bytes, in a buffer that is used again.</summary>
    public sealed class SerialAnswer
    {
        /// <summary>Not a copy.</summary>
        public readonly byte[] Data = new byte[SerialFrame.DataBytesMax];

        public byte Type { get; private set; }

        public int Count { get; private set; }

        /// <summary>The answer is of that type; its data is in <see cref="Data"/>.</summary>
        public void Set(byte type, int count)
        {
            Type = type;
            Count = count;
        }

        /// <summary>The answer is one byte.</summary>
        public void SetByte(byte type, byte value)
        {
            Data[0] = value;
            Set(type, 1);
        }

        /// <summary>The answer is an error: a code (<see cref="SerialErrors"/>) and what to do.</summary>
        public void Error(byte code, string text)
        {
            Data[0] = code;
            Set(SerialTypes.Error, 1);
            AddText(text);
        }

        /// <summary>Adds text behind what is there, cut where it does not fit.</summary>
        public void AddText(string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            int length = bytes.Length < Data.Length - Count ? bytes.Length : Data.Length - Count;
            Array.Copy(bytes, 0, Data, Count, length);
            Count += length;
        }

        /// <summary>Adds a line "key=value"; false, with nothing added, when it does not fit.</summary>
        public bool AddLine(string key, string value)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(key + "=" + value + "\n");
            if (bytes.Length > Data.Length - Count)
            {
                return false;
            }

            Array.Copy(bytes, 0, Data, Count, bytes.Length);
            Count += bytes.Length;
            return true;
        }
    }
}
