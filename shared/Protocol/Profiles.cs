// What the samples of a frame are for: the application. Ids are for ever.

namespace DePIN.Protocol
{
    public static class Profiles
    {
        public const ushort Environment = 1;
        public const ushort Energy = 2;
        public const ushort Telecom = 3;
        public const ushort Transport = 4;
        public const ushort Health = 5;
        public const ushort SupplyChain = 6;

        /// <summary>A computer's own measurements.</summary>
        public const ushort Host = 7;

        /// <summary>How the node itself fares.</summary>
        public const ushort Node = 8;

        /// <summary>The profile's name in texts and settings, or null for one this version does not know.</summary>
        public static string Name(ushort profile)
        {
            switch (profile)
            {
                case Environment: return "environment";
                case Energy: return "energy";
                case Telecom: return "telecom";
                case Transport: return "transport";
                case Health: return "health";
                case SupplyChain: return "supply-chain";
                case Host: return "host";
                case Node: return "node";
                default: return null;
            }
        }
    }
}
