using System;
using DePIN.Firmware.Board;

namespace DePIN.Firmware.Keep
{
    /// <summary>
    /// What a node must know again when it wakes, in one record of the ring, written last before each deep sleep: the chip's memory is
    /// lost and nanoFramework gives managed code no RTC memory. Behind it in the record: the samples since the record before.
    /// Big-endian: 0 version 1 | 1 clock origin | 2 boot u32 | 6 uptime u64 | 14 RTC u64 | 22 wake uptime u64 | 30 clock offset i64 |
    /// 38 clock error u32 | 42 time server answered u64 | 50 next ask u64 | 58 next save u64 | 66 steps u32 | 70 refused u32 |
    /// 74 last step i64 | 82 rounds u16 | 84 next connect u64 | 92 connect back-off u32 | 96 next health frame u64 |
    /// 104 samples that waited on flash before this record u8 | 105 zero, 3 |
    /// 108 next connect for the clock u64 | 116 counters of NodeHealth, u32 each. Times are uptimes in ms unless said otherwise; RTC is ms since 1970, or since power-on.
    /// </summary>
    public sealed class SleepState
    {
        public const byte Version = 1;
        public const int CountersMax = 8;
        public const int Bytes = 116 + (4 * CountersMax);

        public byte ClockOrigin;
        public uint BootCount;
        public long UptimeMs;
        public long RtcMs;
        public long WakeUptimeMs;
        public long ClockOffsetMs;
        public long ClockErrorMs;
        public long ServerAtMs;
        public long NextAskMs;
        public long NextSaveMs;
        public int ClockSteps;
        public int ClockRefused;
        public long LastStepMs;
        public int Rounds;
        public long NextConnectMs;
        public int ConnectCeilingMs;
        public long NextHealthMs;
        public int WaitingBefore;
        public long NextClockMs;
        public readonly int[] Counters = new int[CountersMax];

        public void Write(byte[] buffer, int offset)
        {
            buffer[offset] = Version;
            buffer[offset + 1] = ClockOrigin;
            BigEndian.WriteUInt32(buffer, offset + 2, BootCount);
            WriteLong(buffer, offset + 6, UptimeMs);
            WriteLong(buffer, offset + 14, RtcMs);
            WriteLong(buffer, offset + 22, WakeUptimeMs);
            WriteLong(buffer, offset + 30, ClockOffsetMs);
            BigEndian.WriteUInt32(buffer, offset + 38, (uint)(ClockErrorMs > int.MaxValue ? int.MaxValue : ClockErrorMs));
            WriteLong(buffer, offset + 42, ServerAtMs);
            WriteLong(buffer, offset + 50, NextAskMs);
            WriteLong(buffer, offset + 58, NextSaveMs);
            BigEndian.WriteUInt32(buffer, offset + 66, (uint)ClockSteps);
            BigEndian.WriteUInt32(buffer, offset + 70, (uint)ClockRefused);
            WriteLong(buffer, offset + 74, LastStepMs);
            buffer[offset + 82] = (byte)((uint)Rounds >> 8);
            buffer[offset + 83] = (byte)Rounds;
            WriteLong(buffer, offset + 84, NextConnectMs);
            BigEndian.WriteUInt32(buffer, offset + 92, (uint)ConnectCeilingMs);
            WriteLong(buffer, offset + 96, NextHealthMs);
            buffer[offset + 104] = (byte)WaitingBefore;
            Array.Clear(buffer, offset + 105, 3);
            WriteLong(buffer, offset + 108, NextClockMs);
            for (int i = 0; i < CountersMax; i++)
            {
                BigEndian.WriteUInt32(buffer, offset + 116 + (4 * i), (uint)Counters[i]);
            }
        }

        /// <summary>Reads a state, or null when its version is not known here.</summary>
        public static SleepState Read(byte[] buffer, int offset)
        {
            if (buffer[offset] != Version)
            {
                return null;
            }

            SleepState state = new SleepState();
            state.ClockOrigin = buffer[offset + 1];
            state.BootCount = BigEndian.ReadUInt32(buffer, offset + 2);
            state.UptimeMs = ReadLong(buffer, offset + 6);
            state.RtcMs = ReadLong(buffer, offset + 14);
            state.WakeUptimeMs = ReadLong(buffer, offset + 22);
            state.ClockOffsetMs = ReadLong(buffer, offset + 30);
            state.ClockErrorMs = BigEndian.ReadUInt32(buffer, offset + 38);
            state.ServerAtMs = ReadLong(buffer, offset + 42);
            state.NextAskMs = ReadLong(buffer, offset + 50);
            state.NextSaveMs = ReadLong(buffer, offset + 58);
            state.ClockSteps = (int)BigEndian.ReadUInt32(buffer, offset + 66);
            state.ClockRefused = (int)BigEndian.ReadUInt32(buffer, offset + 70);
            state.LastStepMs = ReadLong(buffer, offset + 74);
            state.Rounds = (buffer[offset + 82] << 8) | buffer[offset + 83];
            state.NextConnectMs = ReadLong(buffer, offset + 84);
            state.ConnectCeilingMs = (int)BigEndian.ReadUInt32(buffer, offset + 92);
            state.NextHealthMs = ReadLong(buffer, offset + 96);
            state.WaitingBefore = buffer[offset + 104];
            state.NextClockMs = ReadLong(buffer, offset + 108);
            for (int i = 0; i < CountersMax; i++)
            {
                state.Counters[i] = (int)BigEndian.ReadUInt32(buffer, offset + 116 + (4 * i));
            }

            return state;
        }

        private static void WriteLong(byte[] buffer, int offset, long value)
        {
            BigEndian.WriteUInt64(buffer, offset, (ulong)value);
        }

        private static long ReadLong(byte[] buffer, int offset)
        {
            return (long)BigEndian.ReadUInt64(buffer, offset);
        }
    }
}
