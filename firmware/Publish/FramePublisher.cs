using System;
using System.Security.Cryptography.X509Certificates;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using nanoFramework.M2Mqtt;
using nanoFramework.M2Mqtt.Messages;

namespace DePIN.Firmware.Publish
{
    /// <summary>
    /// Sends what the store owes to the gateway, oldest first, QoS 1, at most a window unanswered, on a thread of its own. A PUBACK
    /// frees a frame. The verdict topic says what became of a refused one: refused for good frees it, counted; "later" keeps it and
    /// backs off. After any break everything that was not answered is sent again in order: the gateway knows duplicates.
    /// MQTT 3.1.1, because nanoFramework's client misreads a short PUBACK of version 5.
    /// </summary>
    public sealed class FramePublisher
    {
        public const ushort KeepAliveSeconds = 60;
        private const int ReconnectMsMin = 1000;
        private const int ReconnectMsMax = 60000;
        private const int LaterMsMin = 5000;
        private const int LaterMsMax = 300000;
        private const int IdleMs = 1000;
        private const int SubscribeMs = 10000;
        private const int LastEventsMs = 2000;
        private const int PollMs = 20;

        private readonly NodeSettings _settings;
        private readonly DeviceKey _key;
        private readonly FrameStore _store;
        private readonly NodeClock _clock;
        private readonly IFlash _flash;
        private readonly Network _network;
        private readonly NodeHealth _health;
        private readonly Watchdog _watchdog;
        private readonly ITimeSource _time;
        private readonly object _gate = new object();
        private readonly ManualResetEvent _subscribed = new ManualResetEvent(false);
        private readonly BackOff _reconnect = new BackOff(ReconnectMsMin, ReconnectMsMax);
        private readonly BackOff _later = new BackOff(LaterMsMin, LaterMsMax);
        private readonly InFlight _inFlight;
        private readonly byte[] _frame = new byte[FrameFormat.FrameBytesMax];
        private readonly string _frameTopic;
        private readonly string _verdictTopic;
        private SideChannel _side;
        private MqttClient _client;
        private ulong _nextSequence;
        private uint _published;
        private uint _acked;
        private int _windowNow;
        private bool _answered = true;
        private bool _broken;
        private bool _sendLater;

        public FramePublisher(NodeSettings settings, DeviceKey key, FrameStore store, NodeClock clock, IFlash flash, Network network, NodeHealth health,
            Watchdog watchdog, ITimeSource time)
        {
            _settings = settings;
            _key = key;
            _store = store;
            _clock = clock;
            _flash = flash;
            _network = network;
            _health = health;
            _watchdog = watchdog;
            _time = time;
            _inFlight = new InFlight(settings.Window);
            _frameTopic = Topics.Frame(key.IdText);
            _verdictTopic = Topics.Verdict(key.IdText);
        }

        /// <summary>Takes something else along, QoS 0 and only when no frame can be sent; null: nothing. Before <see cref="Run"/>.</summary>
        public void Carry(SideChannel side)
        {
            _side = side;
        }

        /// <summary>Runs until a stop is asked for. Nothing that happens on the network ends it.</summary>
        public void Run(StopSignal stop)
        {
            if (_settings.GatewayHost.Length == 0)
            {
                return;
            }

            while (!stop.IsRequested)
            {
                _watchdog.Expect(Watchdog.Publishing, _time.UptimeMs(), 0);
                try
                {
                    if (_network.Join())
                    {
                        Connect();
                        SendWhileConnected(stop);
                    }
                }
                catch (Exception e)
                {
                    if (!_health.IsConnected)
                    {
                        _health.CountConnectFailure();
                    }

                    NodeLog.Fault("publish", e);
                }

                Disconnect();
                int wait = _sendLater ? _later.Next() : _reconnect.Next();
                if (!stop.IsRequested)
                {
                    NodeLog.Event("disconnected", "retry_ms=" + wait.ToString() + " " + _store.Describe());
                    _watchdog.Expect(Watchdog.Publishing, _time.UptimeMs(), wait);
                    stop.Wait(wait);
                }
            }

            _watchdog.Dismiss(Watchdog.Publishing);
        }

        private void Connect()
        {
            lock (_gate)
            {
                _client = null;
                _inFlight.Clear();
                _broken = false;
                _sendLater = false;
                _nextSequence = 0;

                // A connection that ended without any answer: a reset may have swallowed the verdict on one of several frames (what the
                // gateway had not read yet makes TCP reset). One frame alone gets its verdict through.
                _windowNow = _answered ? _settings.Window : 1;
                _answered = false;
            }

            X509Certificate authority = _settings.Tls ? ReadAuthority() : null;
            X509Certificate own = _settings.Tls ? ReadOwn() : null;
            MqttClient client = new MqttClient(_settings.GatewayHost, _settings.GatewayPort, _settings.Tls, authority, own,
                _settings.Tls ? MqttSslProtocols.TLSv1_2 : MqttSslProtocols.None);
            lock (_gate)
            {
                _client = client;
            }

            client.ProtocolVersion = MqttProtocolVersion.Version_3_1_1;
            client.MqttMsgPublished += OnPublished;
            client.MqttMsgPublishReceived += OnMessage;
            client.MqttMsgSubscribed += OnSubscribed;
            client.ConnectionClosed += OnClosed;
            MqttReasonCode reason = client.Connect(_key.IdText, _settings.GatewayUser, _settings.GatewayPassword, true, KeepAliveSeconds);
            if (reason != MqttReasonCode.Success)
            {
                _health.CountGatewayRefusal();
                throw new InvalidOperationException("the gateway refused the connection, code " + ((int)reason).ToString());
            }

            // Acknowledged before the first frame: a refusal without a listener would be a closed connection without a reason.
            _subscribed.Reset();
            string[] topics = Subscriptions();
            client.Subscribe(topics, new MqttQoSLevel[topics.Length]); // all of them at most once, which is 0
            if (!_subscribed.WaitOne(SubscribeMs, false))
            {
                throw new InvalidOperationException("the gateway did not answer the subscription");
            }

            _health.IsConnected = true;
            if (_side != null)
            {
                _side.OnConnected();
            }

            NodeLog.Event("connected", "host=" + _settings.GatewayHost + " port=" + _settings.GatewayPort.ToString() + " "
                + _store.Describe());
        }

        private string[] Subscriptions()
        {
            int others = _side == null ? 0 : _side.Incoming.Length;
            string[] topics = new string[2 + others];
            topics[0] = _verdictTopic;
            topics[1] = Topics.Time;
            for (int i = 0; i < others; i++)
            {
                topics[2 + i] = _side.Incoming[i];
            }

            return topics;
        }

        private void SendWhileConnected(StopSignal stop)
        {
            while (!stop.IsRequested && !_broken && _client.IsConnected)
            {
                _watchdog.Expect(Watchdog.Publishing, _time.UptimeMs(), IdleMs);
                if (!SendNext() && !SendAside())
                {
                    _store.WaitForFrame(IdleMs);
                }
            }

            // Acknowledgements and the verdict that came before the end still wait on the client's thread: they count.
            for (int waited = 0; !_broken && !stop.IsRequested && waited < LastEventsMs; waited += PollMs)
            {
                stop.Wait(PollMs);
            }
        }

        // Returns whether there may be more to send at once.
        private bool SendNext()
        {
            ulong sequence;
            lock (_gate)
            {
                if (_inFlight.Count >= _windowNow || _broken)
                {
                    return false;
                }
            }

            sequence = _store.NextOwed(_nextSequence);
            if (sequence == 0)
            {
                return false;
            }

            int count = _store.Read(sequence, _frame);
            _nextSequence = sequence + 1;
            byte[] message = new byte[count];
            Array.Copy(_frame, 0, message, 0, count);
            lock (_gate)
            {
                if (count == 0)
                {
                    // Dropped meanwhile, or unreadable: it is a gap that the next frame's previous hash proves.
                    _inFlight.Add(sequence, 0);
                    _inFlight.AnswerSequence(sequence);
                    FreeAnswered();
                    return true;
                }

                // The answer may come on the client's thread before Publish has returned: it waits for the gate.
                ushort id = _client.Publish(_frameTopic, message, null, null, MqttQoSLevel.AtLeastOnce, false);
                _inFlight.Add(sequence, id);
                _published++;
            }

            return true;
        }

        // What is sent beside frames has no answer to wait for: it never stands in a frame's way.
        private bool SendAside()
        {
            if (_side == null)
            {
                return false;
            }

            string topic;
            byte[] message = _side.TakeOutgoing(out topic);
            if (message == null)
            {
                return false;
            }

            lock (_gate)
            {
                _client.Publish(topic, message, null, null, MqttQoSLevel.AtMostOnce, false);
            }

            return true;
        }

        private void OnPublished(object sender, MqttMsgPublishedEventArgs e)
        {
            lock (_gate)
            {
                if (sender != _client)
                {
                    return;
                }

                if (!e.IsPublished)
                {
                    _broken = true;
                }
                else
                {
                    ulong sequence = _inFlight.AnswerMessage(e.MessageId);
                    if (sequence != 0)
                    {
                        _acked++;
                        _answered = true;
                        _health.HasAcknowledged = true;
                        _windowNow = _settings.Window;
                        _reconnect.Reset();
                        _later.Reset();
                        FreeAnswered();
                        NodeLog.Event("acked", "sequence=" + sequence.ToString() + " published=" + _published.ToString()
                            + " acked=" + _acked.ToString());
                    }
                }
            }

            _store.Wake();
        }

        private void OnMessage(object sender, MqttMsgPublishEventArgs e)
        {
            if (e.Topic == Topics.Time && TimeMessage.IsValid(e.Message, 0, e.Message.Length))
            {
                _clock.TakeGatewayTime((long)TimeMessage.UnixMs(e.Message, 0));
            }
            else if (e.Topic == _verdictTopic && VerdictMessage.IsValid(e.Message, 0, e.Message.Length))
            {
                OnVerdict(sender, e.Message);
            }
            else if (_side != null && sender == _client)
            {
                _side.OnMessage(e.Topic, e.Message);
            }
        }

        private void OnVerdict(object sender, byte[] message)
        {
            ulong sequence = VerdictMessage.Sequence(message, 0);
            bool keep = VerdictMessage.Keep(message, 0);
            lock (_gate)
            {
                if (sender != _client)
                {
                    return;
                }

                NodeLog.Event("verdict", "sequence=" + sequence.ToString() + " verdict=" + VerdictMessage.Verdict(message, 0).ToString()
                    + " keep=" + (keep ? "1" : "0"));
                if (keep)
                {
                    _health.CountGatewayRefusal();
                    _sendLater = true;
                    _broken = true;
                }
                else if (_inFlight.AnswerSequence(sequence))
                {
                    // Only a frame that we did send can be refused: a verdict about anything else frees nothing.
                    _answered = true;
                    _store.CountRefused();
                    _reconnect.Reset();
                    FreeAnswered();
                }
            }

            _store.Wake();
        }

        private void OnSubscribed(object sender, MqttMsgSubscribedEventArgs e)
        {
            if (sender == _client)
            {
                _subscribed.Set();
            }
        }

        private void OnClosed(object sender, EventArgs e)
        {
            lock (_gate)
            {
                if (sender == _client)
                {
                    _broken = true;
                }
            }

            _store.Wake();
        }

        private void FreeAnswered()
        {
            ulong freed = _inFlight.TakeAnswered();
            if (freed != 0)
            {
                _store.FreeThrough(freed);
            }
        }

        private void Disconnect()
        {
            _health.IsConnected = false;
            MqttClient client = _client;
            if (client == null)
            {
                return;
            }

            try
            {
                if (client.IsConnected)
                {
                    client.Disconnect();
                }

                client.Close();
            }
            catch (Exception e)
            {
                NodeLog.Fault("disconnect", e);
            }
        }

        private X509Certificate ReadAuthority()
        {
            byte[] enrolled = _settings.Authority;
            if (enrolled == null)
            {
                return new X509Certificate(ReadPem("tls-ca", _settings.TlsCaFile));
            }

            byte[] pem = new byte[enrolled.Length + 1];
            Array.Copy(enrolled, pem, enrolled.Length);
            return new X509Certificate(pem);
        }

        private X509Certificate ReadOwn()
        {
            return _settings.TlsCertFile.Length == 0 ? null
                : OwnCertificate.Open(ReadPem("tls-cert", _settings.TlsCertFile), ReadPem("tls-key", _settings.TlsKeyFile));
        }

        // mbedTLS reads PEM up to a zero byte.
        private byte[] ReadPem(string key, string name)
        {
            int length = _flash.Length(name);
            if (length <= 0)
            {
                throw new InvalidOperationException(name + " is not on flash: " + key + " names it, and tls=on needs it");
            }

            byte[] pem = new byte[length + 1];
            _flash.Read(name, 0, pem, 0, length);
            return pem;
        }
    }
}
