// Where a node is with an update: the state byte of an UpdateState message. Numbers are for ever.

namespace DePIN.Protocol
{
    public static class UpdateStates
    {
        /// <summary>Nothing is offered, or what is offered runs already.</summary>
        public const byte Idle = 0;

        /// <summary>The manifest was accepted, pieces are being fetched.</summary>
        public const byte Fetching = 1;

        /// <summary>Everything is on flash and is being hashed.</summary>
        public const byte Verifying = 2;

        /// <summary>Verified and marked to be tried: the node starts again.</summary>
        public const byte Staged = 3;

        /// <summary>The new release runs and has not been healthy long enough.</summary>
        public const byte Trying = 4;

        /// <summary>The new release was healthy for the period and stays.</summary>
        public const byte Confirmed = 5;

        /// <summary>The node went back to the release before; the error says why.</summary>
        public const byte RolledBack = 6;

        /// <summary>The offer is not taken and not asked for again; the error says why.</summary>
        public const byte Refused = 7;

        /// <summary>Fetching stopped after its retries and begins again later; the error says why.</summary>
        public const byte Paused = 8;

        /// <summary>This node takes no updates; the error says why.</summary>
        public const byte Disabled = 9;

        /// <summary>Stable lower-case name, null for an unknown state.</summary>
        public static string Name(byte state)
        {
            switch (state)
            {
                case Idle: return "idle";
                case Fetching: return "fetching";
                case Verifying: return "verifying";
                case Staged: return "staged";
                case Trying: return "trying";
                case Confirmed: return "confirmed";
                case RolledBack: return "rolled-back";
                case Refused: return "refused";
                case Paused: return "paused";
                case Disabled: return "disabled";
                default: return null;
            }
        }
    }
}
