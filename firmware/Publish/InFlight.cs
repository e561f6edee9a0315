namespace DePIN.Firmware.Publish
{
    /// <summary>
    /// Frames that were sent and not answered, in order of sequence, at most a window of them. An answer may come in any order;
    /// frames are freed only from the oldest on, because the ring frees up to a sequence.
    /// </summary>
    public sealed class InFlight
    {
        private readonly ulong[] _sequences;
        private readonly ushort[] _messages;
        private readonly bool[] _done;
        private int _count;

        public InFlight(int window)
        {
            _sequences = new ulong[window];
            _messages = new ushort[window];
            _done = new bool[window];
        }

        public int Count
        {
            get { return _count; }
        }

        public bool IsFull
        {
            get { return _count == _sequences.Length; }
        }

        public void Add(ulong sequence, ushort message)
        {
            _sequences[_count] = sequence;
            _messages[_count] = message;
            _done[_count] = false;
            _count++;
        }

        /// <summary>Marks the frame of an MQTT message as answered; returns its sequence, 0 when none waits for it.</summary>
        public ulong AnswerMessage(ushort message)
        {
            for (int i = 0; i < _count; i++)
            {
                if (_messages[i] == message && !_done[i])
                {
                    _done[i] = true;
                    return _sequences[i];
                }
            }

            return 0;
        }

        /// <summary>Marks a frame as answered; false when it does not wait.</summary>
        public bool AnswerSequence(ulong sequence)
        {
            for (int i = 0; i < _count; i++)
            {
                if (_sequences[i] == sequence && !_done[i])
                {
                    _done[i] = true;
                    return true;
                }
            }

            return false;
        }

        /// <summary>Removes the answered frames at the front; returns the last one's sequence, 0 when the oldest still waits.</summary>
        public ulong TakeAnswered()
        {
            int taken = 0;
            while (taken < _count && _done[taken])
            {
                taken++;
            }

            if (taken == 0)
            {
                return 0;
            }

            ulong last = _sequences[taken - 1];
            _count -= taken;
            for (int i = 0; i < _count; i++)
            {
                _sequences[i] = _sequences[i + taken];
                _messages[i] = _messages[i + taken];
                _done[i] = _done[i + taken];
            }

            return last;
        }

        public void Clear()
        {
            _count = 0;
        }
    }
}
