using System;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// What the node tells whoever watches its console: one line per event, "event key=value key=value". A value has no blanks,
    /// except message, which is last and runs to the end of the line. Never a secret.
    /// </summary>
    public static class NodeLog
    {
        public static void Event(string name)
        {
            Console.WriteLine(name);
        }

        public static void Event(string name, string fields)
        {
            Console.WriteLine(name + " " + fields);
        }

        /// <summary>A failure that the node survives: where it happened and what the runtime said.</summary>
        public static void Fault(string where, Exception exception)
        {
            string message = OneLine(exception.GetType().FullName + ": " + exception.Message);
            FaultLog.Add(where, message);
            Console.WriteLine("fault where=" + where + " message=" + message);
        }

        private static string OneLine(string text)
        {
            char[] characters = text.ToCharArray();
            for (int i = 0; i < characters.Length; i++)
            {
                if (characters[i] < ' ')
                {
                    characters[i] = ' ';
                }
            }

            return new string(characters);
        }
    }
}
