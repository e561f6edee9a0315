namespace DePIN.Firmware.Life
{
    /// <summary>
    /// Parts that run for ever say by when they will speak again; one that does not is stuck (a driver, a socket), and only a restart helps.
    /// A restart loses nothing: what was signed is on flash. Each part has one slot, written by its own thread.
    /// </summary>
    public sealed class Watchdog
    {
        public const int Sampling = 0;
        public const int Publishing = 1;
        private const int Parts = 2;

        /// <summary>Allowed on top of what a part says it waits: more than the longest of its time-outs together.</summary>
        public const long GraceMs = 900000;

        private readonly object _gate = new object();
        private readonly long[] _dueMs = new long[Parts];

        /// <summary>That part is alive and speaks again after <paramref name="waitMs"/>.</summary>
        public void Expect(int part, long uptimeMs, long waitMs)
        {
            lock (_gate)
            {
                _dueMs[part] = uptimeMs + waitMs + GraceMs;
            }
        }

        /// <summary>That part ended in order, or does not run.</summary>
        public void Dismiss(int part)
        {
            lock (_gate)
            {
                _dueMs[part] = 0;
            }
        }

        /// <summary>True when every part ended in order.</summary>
        public bool HasEnded
        {
            get
            {
                lock (_gate)
                {
                    for (int i = 0; i < Parts; i++)
                    {
                        if (_dueMs[i] != 0)
                        {
                            return false;
                        }
                    }
                }

                return true;
            }
        }

        /// <summary>The first part that is late, or -1.</summary>
        public int Late(long uptimeMs)
        {
            lock (_gate)
            {
                for (int i = 0; i < Parts; i++)
                {
                    if (_dueMs[i] != 0 && uptimeMs > _dueMs[i])
                    {
                        return i;
                    }
                }
            }

            return -1;
        }

        /// <summary>The part's name for the log.</summary>
        public static string Word(int part)
        {
            return part == Sampling ? "sampling" : "publishing";
        }
    }
}
