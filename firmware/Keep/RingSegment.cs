namespace DePIN.Firmware.Keep
{
    /// <summary>What the ring remembers of one segment file in memory: a few numbers, never its frames.</summary>
    internal sealed class RingSegment
    {
        public const string Prefix = "ring-";
        public const string Suffix = ".seg";

        public readonly uint Number;
        public readonly string Name;
        public int Length;
        public ulong First;
        public ulong Last;
        public int Frames;

        /// <summary>The highest sequence whose signature record is here: it may stand apart from its body.</summary>
        public ulong LastSignature;

        /// <summary>Samples that are in no frame yet are here: not to be deleted.</summary>
        public bool HoldsWaiting;

        /// <summary>Its last record ends where the file ends: more may be appended. Never after a torn tail.</summary>
        public bool TailClean;

        public RingSegment(uint number)
        {
            Number = number;
            Name = Prefix + number.ToString("D8") + Suffix;
        }

        /// <summary>The number in a segment's file name, or 0 when the name is not a segment's.</summary>
        public static uint NumberOf(string name)
        {
            if (name.Length != Prefix.Length + 8 + Suffix.Length || !name.StartsWith(Prefix) || !name.EndsWith(Suffix))
            {
                return 0;
            }

            uint number = 0;
            for (int i = Prefix.Length; i < Prefix.Length + 8; i++)
            {
                char digit = name[i];
                if (digit < '0' || digit > '9')
                {
                    return 0;
                }

                number = (number * 10) + ((uint)digit - '0');
            }

            return number;
        }
    }
}
