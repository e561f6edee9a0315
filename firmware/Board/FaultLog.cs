using System;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// The last faults the node survived, in RAM, for whoever asks over serial: a console that nobody watched is lost. Like the console it is
    /// one per board. Never a secret.
    /// </summary>
    public static class FaultLog
    {
        public const int Kept = 8;
        private const int CharactersMax = 160;

        private static readonly object Gate = new object();
        private static readonly string[] Lines = new string[Kept];
        private static int _next;

        /// <summary>Keeps one; the oldest goes.</summary>
        public static void Add(string where, string message)
        {
            string line = (Environment.TickCount64 / 1000).ToString() + " " + where + ": " + message;
            line = line.Length > CharactersMax ? line.Substring(0, CharactersMax) : line;
            lock (Gate)
            {
                Lines[_next] = line;
                _next = _next + 1 == Kept ? 0 : _next + 1;
            }
        }

        /// <summary>The newest but <paramref name="age"/>: "seconds since boot where: message"; null when there are not so many.</summary>
        public static string Read(int age)
        {
            if (age < 0 || age >= Kept)
            {
                return null;
            }

            lock (Gate)
            {
                int at = _next - 1 - age;
                return Lines[at < 0 ? at + Kept : at];
            }
        }
    }
}
