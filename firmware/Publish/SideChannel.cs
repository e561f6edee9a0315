using System.Threading;
using DePIN.Firmware.Keep;

namespace DePIN.Firmware.Publish
{
    /// <summary>
    /// What else goes over the frames' connection, QoS 0: the publisher sends it only when no frame can be sent, and hands in what comes.
    /// One message a topic is kept in each direction, the newest: nothing queues up. Safe for any thread.
    /// </summary>
    public sealed class SideChannel
    {
        private readonly object _gate = new object();
        private readonly AutoResetEvent _came = new AutoResetEvent(false);
        private readonly FrameStore _store;
        private readonly string[] _incoming;
        private readonly byte[][] _received;
        private readonly string[] _outgoing;
        private readonly byte[][] _waiting;
        private int _connections;

        /// <param name="store">Whose publisher is woken when there is something to send.</param>
        /// <param name="incoming">Topics to subscribe to.</param>
        /// <param name="outgoing">Topics that may be sent to; earlier ones go first.</param>
        public SideChannel(FrameStore store, string[] incoming, string[] outgoing)
        {
            _store = store;
            _incoming = incoming;
            _received = new byte[incoming.Length][];
            _outgoing = outgoing;
            _waiting = new byte[outgoing.Length][];
        }

        public string[] Incoming
        {
            get { return _incoming; }
        }

        /// <summary>Connections so far: another number means that what was asked before may be lost.</summary>
        public int Connections
        {
            get
            {
                lock (_gate)
                {
                    return _connections;
                }
            }
        }

        /// <summary>A message came and was not taken yet.</summary>
        public bool HasReceived
        {
            get
            {
                lock (_gate)
                {
                    for (int i = 0; i < _received.Length; i++)
                    {
                        if (_received[i] != null)
                        {
                            return true;
                        }
                    }

                    return false;
                }
            }
        }

        /// <summary>Nothing waits to be sent.</summary>
        public bool IsSent
        {
            get
            {
                lock (_gate)
                {
                    for (int i = 0; i < _waiting.Length; i++)
                    {
                        if (_waiting[i] != null)
                        {
                            return false;
                        }
                    }

                    return true;
                }
            }
        }

        /// <summary>Puts a message to be sent, in the place of one of that topic that still waits.</summary>
        public void Send(int topic, byte[] message)
        {
            lock (_gate)
            {
                _waiting[topic] = message;
            }

            _store.Wake();
        }

        /// <summary>Takes the newest message of a topic, null when there is none.</summary>
        public byte[] TakeReceived(int topic)
        {
            lock (_gate)
            {
                byte[] message = _received[topic];
                _received[topic] = null;
                return message;
            }
        }

        /// <summary>Waits that long, or until a message or a new connection came.</summary>
        public void WaitForMessage(int milliseconds)
        {
            _came.WaitOne(milliseconds, false);
        }

        /// <summary>The publisher's: the subscriptions stand.</summary>
        public void OnConnected()
        {
            lock (_gate)
            {
                _connections++;
                for (int i = 0; i < _waiting.Length; i++)
                {
                    _waiting[i] = null;
                }
            }

            _came.Set();
        }

        /// <summary>The publisher's: keeps a message of one of the topics, returns at once.</summary>
        public void OnMessage(string topic, byte[] message)
        {
            for (int i = 0; i < _incoming.Length; i++)
            {
                if (_incoming[i] == topic)
                {
                    lock (_gate)
                    {
                        _received[i] = message;
                    }

                    _came.Set();
                    return;
                }
            }
        }

        /// <summary>The publisher's: the next message to send and its topic; null when there is none.</summary>
        public byte[] TakeOutgoing(out string topic)
        {
            lock (_gate)
            {
                for (int i = 0; i < _waiting.Length; i++)
                {
                    byte[] message = _waiting[i];
                    if (message != null)
                    {
                        _waiting[i] = null;
                        topic = _outgoing[i];
                        return message;
                    }
                }
            }

            topic = null;
            return null;
        }
    }
}
