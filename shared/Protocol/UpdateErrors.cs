// Why a node did not take, or gave up, an update: the error byte of an UpdateState message. Numbers are for ever.

namespace DePIN.Protocol
{
    public static class UpdateErrors
    {
        public const byte None = 0;

        /// <summary>The bytes are no manifest.</summary>
        public const byte Malformed = 1;

        /// <summary>The manifest names the node's operator and the signature is not theirs.</summary>
        public const byte WrongSignature = 2;

        /// <summary>The manifest names another operator than the one the node was provisioned with.</summary>
        public const byte NotThisOperator = 3;

        /// <summary>The release is not higher than the node's own, or than one that it went back from.</summary>
        public const byte NotNewer = 4;

        public const byte WrongBoard = 5;

        /// <summary>The board's runtime is older than the update needs: it is updated over the cable.</summary>
        public const byte RuntimeTooOld = 6;

        /// <summary>Flash or memory of this board is too small for it beside what is there.</summary>
        public const byte DoesNotFit = 7;

        /// <summary>What was fetched is not what the manifest says, after every retry.</summary>
        public const byte BadHash = 8;

        /// <summary>Flash did not keep what was written.</summary>
        public const byte FlashFailed = 9;

        /// <summary>The gateway did not answer.</summary>
        public const byte NoAnswer = 10;

        /// <summary>The node was not started by the loader, so it has no slot to put an update into.</summary>
        public const byte NoLoader = 11;

        /// <summary>The node was provisioned without an operator's key.</summary>
        public const byte NoOperatorKey = 12;

        /// <summary>The new release could not be loaded.</summary>
        public const byte DidNotLoad = 13;

        /// <summary>The new release ended with an exception, or started again and again.</summary>
        public const byte DidNotStay = 14;

        /// <summary>The new release ran and was not healthy within its time.</summary>
        public const byte NotHealthy = 15;

        /// <summary>Stable lower-case name, null for an unknown error.</summary>
        public static string Name(byte error)
        {
            switch (error)
            {
                case None: return "none";
                case Malformed: return "malformed";
                case WrongSignature: return "wrong-signature";
                case NotThisOperator: return "not-this-operator";
                case NotNewer: return "not-newer";
                case WrongBoard: return "wrong-board";
                case RuntimeTooOld: return "runtime-too-old";
                case DoesNotFit: return "does-not-fit";
                case BadHash: return "bad-hash";
                case FlashFailed: return "flash-failed";
                case NoAnswer: return "no-answer";
                case NoLoader: return "no-loader";
                case NoOperatorKey: return "no-operator-key";
                case DidNotLoad: return "did-not-load";
                case DidNotStay: return "did-not-stay";
                case NotHealthy: return "not-healthy";
                default: return null;
            }
        }
    }
}
