// One client's connection: reads packets, answers them, and writes what others send to the client.
//   reading   one loop; it pauses while the window of unanswered messages or the outbound buffer is full, so TCP holds the client back
//   window    a ring of slots in the order of arrival; a PUBACK leaves when its frame and all before it have their verdicts (MQTT-4.6.0-2)
//   writing   everything is encoded into one buffer; a single loop writes it, so acknowledgements share writes
// Whatever the client sends ends in a counted reason, never in an exception.

using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Ingest;

/// <summary>What a publish towards the client came to.</summary>
internal enum SendResult
{
    Sent,

    /// <summary>The outbound buffer is full; try again when it has drained.</summary>
    Full,

    /// <summary>Given up: expired or larger than the client accepts.</summary>
    Dropped,
    Closed,
}

internal sealed class MqttConnection : IThreadPoolWorkItem, IUpdateReceiver
{
    private const int PropertyBytesFixed = 64;
    private const int IntakeShareForUpdates = 4; // pieces of updates are served while frames fill less than this part of the intake
    private const double KeepAliveFactor = 1.5; // MQTT-3.1.2-22

    private readonly IngestServices _services;
    private readonly IngestSettings _settings;
    private readonly IngestMetrics _metrics;
    private readonly IDuplexPipe _transport;
    private readonly Action _abort;
    private readonly Socket? _socket;
    private readonly long _acceptedAt;

    // The window of received messages, under _window.
    private readonly Lock _window = new();
    private readonly FrameSlot?[] _slots;
    private int _head;
    private volatile int _count;
    private int _unanswered; // QoS 1 and 2 messages not answered for good: what the client counts against our receive maximum

    // Output, under _out.
    private readonly Lock _out = new();
    private PacketBuffer _filling = new();
    private PacketBuffer _sending = new();
    private bool _isWriting;
    private bool _isClosing;
    private bool _outputLost;
    private TaskCompletionSource? _resume;
    private TaskCompletionSource? _written;
    private Dictionary<byte[], ushort>? _outboundAliases;

    private MqttVersion _version = MqttVersion.V311;
    private Session? _session;
    private string _assignedClientId = "";
    private ushort _serverKeepAlive;
    private uint _grantedExpiry;
    private bool _expiryChanged;
    private byte[]? _loginBody; // CONNECT, while its password is checked
    private volatile bool _isLoginPending;
    private MqttReason _loginReason;
    private bool _hasConnected;
    private bool _sendWill = true;
    private bool _isDraining;
    private int _outboundPacketBytesMax = int.MaxValue;
    private ushort _outboundAliasMax;
    private byte[]?[]? _inboundAliases;
    private TimeSpan _silenceMax;
    private long _lastReceived;
    private long _partialSince;
    private long _writeSince;
    private bool _isPaused;

    // Updates, under _window: the device whose fresh signed frame came last over this connection, and what it said of itself before the first.
    private byte[]? _provenId;
    private byte[]? _heldStateId;
    private byte[]? _heldState;

    public MqttConnection(IngestServices services, IDuplexPipe transport, Action abort, Socket? socket)
    {
        _services = services;
        _settings = services.Settings;
        _metrics = services.Metrics;
        _transport = transport;
        _abort = abort;
        _socket = socket;
        _slots = new FrameSlot?[_settings.ReceiveMaximum + 1]; // One more, to see a version 5 client exceed it.
        _acceptedAt = Math.Max(1, services.Time.GetTimestamp());
        _lastReceived = _acceptedAt;
    }

    /// <summary>Who the client is: at first what its certificate says, then what its login proved.</summary>
    public ClientIdentity Identity { get; set; } = ClientIdentity.None;

    /// <summary>It presented a certificate that an authority of ours signed.</summary>
    public bool HasCertificate { get; init; }

    /// <summary>Where wrong passwords are counted.</summary>
    public IPAddress Network { get; init; } = IPAddress.None;

    /// <summary>QoS 1 and 2 messages that may be on their way to the client.</summary>
    public int OutboundWindow { get; private set; } = 1;

    /// <summary>Serves the client until either side ends the connection.</summary>
    public async Task ServeAsync()
    {
        bool lost = false;
        try
        {
            await ReadLoopAsync().ConfigureAwait(false);
            if (Volatile.Read(ref _isDraining))
            {
                await EmptyWindowAsync().ConfigureAwait(false);
                Close(MqttReason.ServerShuttingDown);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            lost = true; // The network ended the connection; the client's will tells whoever wants to know.
        }

        if (_session is not null)
        {
            _services.Broker.Detach(this, _session, _sendWill);
        }

        bool announced;
        lock (_out)
        {
            announced = _isClosing && !_outputLost;
            _isClosing = true;
            _resume?.TrySetResult();
            _resume = null;
        }

        if (!lost)
        {
            await EndAsync(announced).ConfigureAwait(false);
        }
    }

    /// <summary>Ends the connection with a reason: DISCONNECT in 5, silence in 3.1.1. Any thread.</summary>
    public void Close(MqttReason reason)
    {
        lock (_out)
        {
            if (_isClosing)
            {
                return;
            }

            _metrics.CountDisconnect(reason);
            if (_version == MqttVersion.V5 && _hasConnected)
            {
                new DisconnectPacket { Reason = reason }.Write(_version, MqttPacketType.Disconnect, _filling);
                WakeWriter();
            }

            BeginClosing();
        }

        _transport.Input.CancelPendingRead();
    }

    /// <summary>Stops reading; the connection ends when the frames in the intake have their verdicts.</summary>
    public void Drain()
    {
        Volatile.Write(ref _isDraining, true);
        _transport.Input.CancelPendingRead();
        Resume();
    }

    /// <summary>Looks at the deadlines: connect, keep alive, slow packets, a client that does not read.</summary>
    /// <param name="now">The timestamp, read once for all connections.</param>
    public void Sweep(long now)
    {
        TimeProvider time = _services.Time;
        if (Volatile.Read(ref _writeSince) is not 0 and long writeSince && time.GetElapsedTime(writeSince, now) > _settings.WriteTimeout)
        {
            _metrics.CountDisconnect(MqttReason.AdministrativeAction);
            Abort();
        }
        else if (!Volatile.Read(ref _hasConnected))
        {
            if (time.GetElapsedTime(_acceptedAt, now) > _settings.ConnectTimeout)
            {
                Close(MqttReason.MaximumConnectTime);
            }
        }
        else if (Volatile.Read(ref _isPaused))
        {
            // We are the ones who do not read: the client cannot be blamed for silence.
        }
        else if (time.GetElapsedTime(Volatile.Read(ref _lastReceived), now) > _silenceMax
            || (Volatile.Read(ref _partialSince) is not 0 and long partialSince && time.GetElapsedTime(partialSince, now) > _settings.PacketTimeout))
        {
            Close(MqttReason.KeepAliveTimeout);
        }
    }

    /// <summary>Encodes CONNACK for an accepted connection; called by the session before anything else is sent.</summary>
    public void SendConnAck(bool sessionPresent)
    {
        PropertyWriter properties = new(stackalloc byte[PropertyBytesFixed + (_assignedClientId.Length * 3)]);
        if (_version == MqttVersion.V5)
        {
            properties.Add(MqttPropertyId.ReceiveMaximum, (uint)_settings.ReceiveMaximum);
            properties.Add(MqttPropertyId.MaximumPacketBytes, (uint)_settings.PacketBytesMax);
            properties.Add(MqttPropertyId.TopicAliasMaximum, _settings.TopicAliasMax);
            properties.Add(MqttPropertyId.SharedSubscriptionAvailable, 0);
            if (_settings.RetainedMax == 0)
            {
                properties.Add(MqttPropertyId.RetainAvailable, 0);
            }

            if (_expiryChanged)
            {
                properties.Add(MqttPropertyId.SessionExpirySeconds, _grantedExpiry);
            }

            if (_serverKeepAlive != 0)
            {
                properties.Add(MqttPropertyId.ServerKeepAliveSeconds, _serverKeepAlive);
            }

            if (_assignedClientId.Length > 0)
            {
                properties.Add(MqttPropertyId.AssignedClientId, Encoding.UTF8.GetBytes(_assignedClientId));
            }
        }

        lock (_out)
        {
            Volatile.Write(ref _hasConnected, true);
            new ConnAckPacket { SessionPresent = sessionPresent, Properties = properties.Written }.Write(_version, _filling);
            WakeWriter();
        }
    }

    /// <summary>Encodes an acknowledgement.</summary>
    public void SendAck(MqttPacketType type, ushort packetId, MqttReason reason)
    {
        lock (_out)
        {
            if (!_isClosing)
            {
                new AckPacket { PacketId = packetId, Reason = reason }.Write(_version, type, _filling);
                WakeWriter();
            }
        }
    }

    /// <summary>Encodes a message for the client. The caller holds the session's lock, so messages keep their order.</summary>
    public SendResult SendPublish(in Delivery delivery, ushort packetId, bool duplicate, bool evenExpired = false)
    {
        Message message = delivery.Message;
        uint? expirySeconds = null;
        if (message.ExpiresAt != 0)
        {
            TimeSpan left = _services.Time.GetElapsedTime(_services.Broker.Now, message.ExpiresAt);
            if (left <= TimeSpan.Zero && !evenExpired)
            {
                _metrics.Count(DropReason.Expired);
                return SendResult.Dropped;
            }

            expirySeconds = (uint)Math.Max(1, Math.Ceiling(left.TotalSeconds)); // MQTT-3.3.2-6
        }

        int propertyBytes = message.Properties.Length + 16 + (delivery.SubscriptionIds.Length * (1 + VariableInteger.BytesMax));
        byte[]? rented = _version == MqttVersion.V5 && propertyBytes > 256 ? ArrayPool<byte>.Shared.Rent(propertyBytes) : null;
        try
        {
            PropertyWriter properties = new(rented ?? stackalloc byte[256]);
            lock (_out)
            {
                return SendPublish(delivery, packetId, duplicate, expirySeconds, ref properties);
            }
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }

    /// <summary>Takes a slot's verdict; from the intake's thread.</summary>
    public void Completed(FrameSlot slot, Exception? fault)
    {
        Interlocked.Add(ref _services.IntakeBytes, -slot.FrameBytes);
        if (fault is not null)
        {
            _metrics.Fault();
            _services.Log.IntakeFailed(fault);
        }

        Finish(slot);
    }

    /// <summary>Runs the writing loop; queued on the thread pool so that answers given meanwhile share its first write.</summary>
    void IThreadPoolWorkItem.Execute() => _ = WriteLoopAsync();

    private async Task ReadLoopAsync()
    {
        PipeReader input = _transport.Input;
        while (true)
        {
            ReadResult read = await input.ReadAsync().ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = read.Buffer;
            Volatile.Write(ref _lastReceived, _services.Time.GetTimestamp());
            bool goOn = HandleAll(ref buffer, out bool pause);
            input.AdvanceTo(buffer.Start, pause ? buffer.Start : buffer.End);
            if (!goOn || (read.IsCompleted && !pause))
            {
                return;
            }

            if (pause)
            {
                Volatile.Write(ref _isPaused, true);
                await PauseAsync().ConfigureAwait(false);
                Volatile.Write(ref _lastReceived, _services.Time.GetTimestamp());
                Volatile.Write(ref _isPaused, false);
                if (_loginBody is not null && !FinishLogin())
                {
                    return;
                }
            }
        }
    }

    // Takes whole packets off the buffer; false ends the connection.
    private bool HandleAll(ref ReadOnlySequence<byte> buffer, out bool pause)
    {
        pause = false;
        while (!_isClosing && !Volatile.Read(ref _isDraining))
        {
            if (!HasRoom())
            {
                pause = true;
                return true;
            }

            MqttResult result = PacketFraming.TryReadPacket(buffer, _settings.PacketBytesMax, out MqttHeader header, out ReadOnlySequence<byte> body);
            if (result == MqttResult.NeedMore)
            {
                long since = buffer.IsEmpty ? 0 : Volatile.Read(ref _partialSince) is not 0 and long started ? started : Math.Max(1, _services.Time.GetTimestamp());
                Volatile.Write(ref _partialSince, since);
                return true;
            }

            bool goOn = true;
            if (result == MqttResult.Ok)
            {
                Volatile.Write(ref _partialSince, 0);
                result = Handle(header, body, out goOn);
                buffer = buffer.Slice(header.PacketBytes);
            }

            if (result != MqttResult.Ok)
            {
                Refuse(result);
                return false;
            }

            if (!goOn)
            {
                return false;
            }
        }

        return false;
    }

    private MqttResult Handle(MqttHeader header, in ReadOnlySequence<byte> body, out bool goOn)
    {
        if (body.IsSingleSegment)
        {
            return Handle(header, body.FirstSpan, out goOn);
        }

        byte[] copy = ArrayPool<byte>.Shared.Rent(header.BodyBytes);
        try
        {
            body.CopyTo(copy);
            return Handle(header, copy.AsSpan(0, header.BodyBytes), out goOn);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private MqttResult Handle(MqttHeader header, ReadOnlySpan<byte> body, out bool goOn)
    {
        goOn = true;
        if (_session is null)
        {
            // MQTT-3.1.0-1: the first packet has to be CONNECT.
            return header.Type == MqttPacketType.Connect ? HandleConnect(body, out goOn) : MqttResult.UnknownPacketType;
        }

        switch (header.Type)
        {
            case MqttPacketType.Publish:
                return HandlePublish(header.Flags, body, out goOn);
            case MqttPacketType.PubAck or MqttPacketType.PubRec or MqttPacketType.PubComp:
                MqttResult result = AckPacket.Read(_version, header.Type, body, out AckPacket ack);
                if (result == MqttResult.Ok)
                {
                    _session.Acknowledge(header.Type, ack.PacketId, ack.Reason);
                }

                return result;
            case MqttPacketType.PubRel:
                return HandlePubRel(body);
            case MqttPacketType.Subscribe:
                return HandleSubscribe(body, out goOn);
            case MqttPacketType.Unsubscribe:
                return HandleUnsubscribe(body);
            case MqttPacketType.PingReq:
                return HandlePing(body);
            case MqttPacketType.Disconnect:
                return HandleDisconnect(body, out goOn);
            default:
                return MqttResult.UnknownPacketType; // A second CONNECT (MQTT-3.1.0-2), AUTH, or a packet only servers send.
        }
    }

    private MqttResult HandleConnect(ReadOnlySpan<byte> body, out bool goOn)
    {
        goOn = true;
        MqttResult result = ConnectPacket.Read(body, out ConnectPacket connect);
        if (result == MqttResult.VersionUnsupported)
        {
            // Answered in the form of 3.1.1, which every version reads (MQTT-3.1.2-2 of 3.1.1).
            goOn = RefuseConnect(MqttReason.UnsupportedProtocolVersion);
            return MqttResult.Ok;
        }

        _version = connect.Version == 0 ? MqttVersion.V311 : connect.Version;
        if (result != MqttResult.Ok)
        {
            return result;
        }

        if (Identify(connect, body) is not { } reason)
        {
            return MqttResult.Ok; // FinishLogin goes on
        }

        goOn = Decide(connect, reason);
        return MqttResult.Ok;
    }

    private bool Decide(in ConnectPacket connect, MqttReason reason)
    {
        if (reason == MqttReason.Success)
        {
            reason = CheckConnect(connect);
        }

        if (reason == MqttReason.Success)
        {
            reason = AcceptConnect(connect);
        }

        return reason == MqttReason.Success || RefuseConnect(reason);
    }

    // Success, or why not; null: the password is being checked, and reading waits.
    private MqttReason? Identify(in ConnectPacket connect, ReadOnlySpan<byte> body)
    {
        if (_services.Logins is not { } desk)
        {
            return MqttReason.Success;
        }

        if (!connect.HasUserName)
        {
            return _settings.Login == LoginMode.Required && !HasCertificate ? MqttReason.NotAuthorized : MqttReason.Success;
        }

        _isLoginPending = true;
        _loginBody = body.ToArray();
        if (desk.Take(Encoding.UTF8.GetString(connect.UserName), connect.Password.ToArray(), Network, LoggedIn) is not { } known)
        {
            return null;
        }

        _isLoginPending = false;
        _loginBody = null;
        Identity = known.Identity ?? Identity;
        return known.Reason;
    }

    // From the desk's thread.
    private void LoggedIn(ClientIdentity? identity, MqttReason reason)
    {
        Identity = identity ?? Identity;
        _loginReason = reason;
        _isLoginPending = false;
        Resume();
    }

    // On the reading loop; false ends the connection.
    private bool FinishLogin()
    {
        if (_isLoginPending || _isClosing)
        {
            return false; // closed meanwhile: CONNECT took too long, or the gateway stops
        }

        byte[] body = _loginBody!;
        _loginBody = null;
        MqttResult result = ConnectPacket.Read(body, out ConnectPacket connect);
        bool goOn = result == MqttResult.Ok && Decide(connect, _loginReason);
        CryptographicOperations.ZeroMemory(body);
        return goOn;
    }

    private MqttReason CheckConnect(in ConnectPacket connect)
    {
        if (connect.ClientId.Length > _settings.ClientIdBytesMax || (connect.ClientId.IsEmpty && _version == MqttVersion.V311 && !connect.CleanStart))
        {
            return MqttReason.ClientIdentifierNotValid; // MQTT-3.1.3-8 of 3.1.1
        }

        if (connect.Properties.Has(MqttPropertyId.AuthenticationMethod))
        {
            return MqttReason.BadAuthenticationMethod;
        }

        if (connect.HasWill && !MayPublish(connect.WillTopic))
        {
            return MqttReason.NotAuthorized;
        }

        if (connect.HasWill && TopicRules.Levels(connect.WillTopic) > _settings.TopicLevelsMax)
        {
            return MqttReason.TopicNameInvalid;
        }

        return connect.HasWill && connect.WillRetain && _settings.RetainedMax == 0 ? MqttReason.RetainNotSupported : MqttReason.Success;
    }

    private MqttReason AcceptConnect(in ConnectPacket connect)
    {
        string clientId = Encoding.UTF8.GetString(connect.ClientId);
        if (clientId.Length == 0)
        {
            clientId = _assignedClientId = "auto-" + RandomNumberGenerator.GetHexString(24, lowercase: true);
        }

        uint asked = _version == MqttVersion.V5 ? connect.Properties.Number(MqttPropertyId.SessionExpirySeconds) ?? 0 : connect.CleanStart ? 0 : uint.MaxValue;
        _grantedExpiry = Math.Min(asked, _settings.SessionExpirySecondsMax);
        _expiryChanged = _grantedExpiry != asked;
        ushort keepAlive = connect.KeepAliveSeconds;
        if (_version == MqttVersion.V5)
        {
            if (keepAlive == 0 || keepAlive > _settings.KeepAliveSecondsMax)
            {
                keepAlive = _serverKeepAlive = _settings.KeepAliveSecondsMax;
            }

            _outboundPacketBytesMax = (int)Math.Min(connect.Properties.Number(MqttPropertyId.MaximumPacketBytes) ?? int.MaxValue, int.MaxValue);
            _outboundAliasMax = (ushort)Math.Min(connect.Properties.Number(MqttPropertyId.TopicAliasMaximum) ?? 0, _settings.TopicAliasMax);
        }

        OutboundWindow = Math.Min(_settings.OutboundInFlightMax, (int)(connect.Properties.Number(MqttPropertyId.ReceiveMaximum) ?? ushort.MaxValue));
        _silenceMax = keepAlive == 0 ? _settings.IdleTimeout : TimeSpan.FromSeconds(keepAlive * KeepAliveFactor);
        if (!Identity.MayBeCalled(clientId))
        {
            return MqttReason.ClientIdentifierNotValid;
        }

        _session = _services.Broker.Attach(this, new SessionRequest(clientId, connect.CleanStart, _grantedExpiry, ReadWill(connect), Identity.Owner), out bool isForeign);
        if (_session is null)
        {
            return isForeign ? MqttReason.ClientIdentifierNotValid : MqttReason.QuotaExceeded;
        }

        _metrics.Accept();
        return MqttReason.Success;
    }

    private Will? ReadWill(in ConnectPacket connect)
    {
        if (!connect.HasWill)
        {
            return null;
        }

        MqttProperties properties = connect.WillProperties;
        Message message = new(connect.WillTopic.ToArray(), connect.WillPayload.ToArray(), Forwardable(properties), connect.WillQos, connect.WillRetain, 0, null);
        return new Will(
            message,
            TimeSpan.FromSeconds(properties.Number(MqttPropertyId.WillDelaySeconds) ?? 0),
            properties.Number(MqttPropertyId.MessageExpirySeconds));
    }

    private bool RefuseConnect(MqttReason reason)
    {
        _metrics.CountRefused(reason);
        lock (_out)
        {
            if (!_isClosing)
            {
                byte code = _version == MqttVersion.V5 ? (byte)reason : (byte)reason.ToReturnCode();
                new ConnAckPacket { Code = code }.Write(_version, _filling);
                WakeWriter();
                BeginClosing();
            }
        }

        return false;
    }

    private MqttResult HandlePublish(byte flags, ReadOnlySpan<byte> body, out bool goOn)
    {
        goOn = true;
        MqttResult result = PublishPacket.Read(_version, flags, body, out PublishPacket packet);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        _metrics.Publish();
        if (_version == MqttVersion.V5 && !packet.Properties.IsEmpty)
        {
            if (packet.Properties.Has(MqttPropertyId.SubscriptionId))
            {
                return MqttResult.PropertyNotAllowed; // MQTT-3.3.4-6
            }

            result = ResolveAlias(ref packet);
            if (result != MqttResult.Ok)
            {
                return result;
            }
        }

        if (packet.Qos == MqttQos.ExactlyOnce && IsRepeated(packet.PacketId, out bool answer))
        {
            if (answer)
            {
                SendAck(MqttPacketType.PubRec, packet.PacketId, MqttReason.Success);
            }

            return MqttResult.Ok;
        }

        if (packet.Qos != MqttQos.AtMostOnce)
        {
            bool exceeded = Interlocked.Increment(ref _unanswered) > _settings.ReceiveMaximum && _version == MqttVersion.V5;
            if (exceeded || (packet.Qos == MqttQos.ExactlyOnce && _session!.ReceivedCount >= _settings.Qos2IdentifiersMax))
            {
                Close(MqttReason.ReceiveMaximumExceeded); // MQTT-3.3.4-7 and section 3.3.4
                goOn = false;
                return MqttResult.Ok;
            }
        }

        Span<byte> deviceId = stackalloc byte[DeviceId.Bytes];
        if (FrameTopic.TryRead(packet.Topic, deviceId))
        {
            if (Identity.MaySpeakFor(deviceId))
            {
                HandleFrame(packet, deviceId);
            }
            else
            {
                RefusePublish(packet);
            }
        }
        else if (FrameTopic.TryReadUpdateGet(packet.Topic, deviceId))
        {
            HandleUpdateGet(packet, deviceId);
        }
        else if (FrameTopic.TryReadUpdateState(packet.Topic, deviceId))
        {
            HandleUpdateState(packet, deviceId);
        }
        else
        {
            HandleOther(packet);
        }

        return MqttResult.Ok;
    }

    // A request needs no proof of the device: what it gets is signed, and public. It must be the connection's own, so that nobody asks in another's name.
    private void HandleUpdateGet(in PublishPacket packet, ReadOnlySpan<byte> deviceId)
    {
        if (_services.Updates is { } updates)
        {
            bool isOwn;
            lock (_window)
            {
                isOwn = _provenId is not null && deviceId.SequenceEqual(_provenId);
            }

            if ((!isOwn && !IsClientId(deviceId)) || !Identity.MaySpeakFor(deviceId))
            {
                updates.Refused(UpdateRefusal.Foreign);
            }
            else if (Interlocked.Read(ref _services.IntakeBytes) > _settings.IntakeBytesMax / IntakeShareForUpdates)
            {
                updates.Refused(UpdateRefusal.FramesFirst);
            }
            else
            {
                updates.Get(deviceId, packet.Payload, this);
            }
        }

        Take(packet);
    }

    // A state counts for a roll-out, so it must be the device's: it waits until a fresh frame of that device was accepted over this connection.
    private void HandleUpdateState(in PublishPacket packet, ReadOnlySpan<byte> deviceId)
    {
        if (_services.Updates is { } updates)
        {
            bool isProven, isForeign;
            lock (_window)
            {
                isProven = _provenId is not null && deviceId.SequenceEqual(_provenId);
                isForeign = (!isProven && _provenId is not null) || !Identity.MaySpeakFor(deviceId);
                if (!isForeign && _provenId is null && packet.Payload.Length <= UpdateState.BytesMax)
                {
                    (_heldStateId, _heldState) = (deviceId.ToArray(), packet.Payload.ToArray());
                }
            }

            if (isProven && !isForeign)
            {
                updates.State(deviceId, packet.Payload);
            }
            else if (isForeign)
            {
                updates.Refused(UpdateRefusal.Foreign);
            }
            else if (packet.Payload.Length > UpdateState.BytesMax)
            {
                updates.Refused(UpdateRefusal.Malformed);
            }
        }

        Take(packet);
    }

    private bool IsClientId(ReadOnlySpan<byte> deviceId)
    {
        Span<char> text = stackalloc char[DeviceId.TextChars];
        Convert.TryToHexStringLower(deviceId, text, out _);
        return text.SequenceEqual(_session!.ClientId);
    }

    // Answered with success whatever becomes of it: nothing about updates ends a connection that frames use.
    private void Take(in PublishPacket packet)
    {
        FrameSlot slot = TakeSlot();
        slot.BeginOther(packet, MqttReason.Success);
        Finish(slot);
    }

    // Under _window.
    private void Prove(FrameSlot slot)
    {
        if (_services.Updates is not { } updates || (_provenId is not null && slot.DeviceIdBytes.Span.SequenceEqual(_provenId)))
        {
            return;
        }

        _provenId = slot.DeviceIdBytes.ToArray();
        if (_heldState is not null && _provenId.AsSpan().SequenceEqual(_heldStateId))
        {
            updates.State(_provenId, _heldState);
        }

        _heldState = _heldStateId = null;
    }

    /// <inheritdoc/>
    public void SendChunk(string deviceIdText, byte[] chunk)
    {
        byte[] topic = Encoding.UTF8.GetBytes(Topics.UpdateChunk(deviceIdText));
        if (_session!.IsSubscribed(topic))
        {
            SendPublish(new Delivery(new Message(topic, chunk, [], MqttQos.AtMostOnce, false, 0, null), MqttQos.AtMostOnce, false, []), 0, duplicate: false);
        }
    }

    private void HandleFrame(in PublishPacket packet, ReadOnlySpan<byte> deviceId)
    {
        FrameSlot slot = TakeSlot();
        slot.BeginFrame(packet, deviceId);
        int length = packet.Payload.Length;
        if (length > FrameFormat.FrameBytesMax)
        {
            slot.Decide(FrameVerdict.TooLarge);
            Finish(slot);
        }
        else if (Interlocked.Add(ref _services.IntakeBytes, length) > _settings.IntakeBytesMax)
        {
            Interlocked.Add(ref _services.IntakeBytes, -length);
            slot.Decide(FrameVerdict.Busy);
            Finish(slot);
        }
        else
        {
            slot.Submit(_services.Intake, packet.Payload, _services.Stopping);
        }
    }

    private void RefusePublish(in PublishPacket packet)
    {
        _metrics.CountRefusedPublish(MqttReason.NotAuthorized);
        FrameSlot slot = TakeSlot();
        slot.BeginOther(packet, MqttReason.NotAuthorized);
        Finish(slot);
    }

    private void HandleOther(in PublishPacket packet)
    {
        FrameSlot slot = TakeSlot();
        MqttReason reason = CheckPublish(packet);
        if (reason == MqttReason.Success)
        {
            uint expiry = packet.Properties.Number(MqttPropertyId.MessageExpirySeconds) ?? 0;
            bool expires = packet.Properties.Has(MqttPropertyId.MessageExpirySeconds);
            Message message = new(
                packet.Topic.ToArray(), packet.Payload.ToArray(), Forwardable(packet.Properties), packet.Qos, packet.Retain,
                expires ? _services.Broker.After(TimeSpan.FromSeconds(expiry)) : 0, _session);
            reason = _services.Broker.Publish(message) ? MqttReason.Success : MqttReason.QuotaExceeded;
            if (_services.Heard.TryGetValue(message.Topic, out Action<ReadOnlyMemory<byte>>? heard))
            {
                heard(message.Payload);
            }
        }
        else
        {
            _metrics.CountRefusedPublish(reason);
        }

        slot.BeginOther(packet, reason);
        Finish(slot);
    }

    private MqttReason CheckPublish(in PublishPacket packet) =>
        !MayPublish(packet.Topic) ? MqttReason.NotAuthorized
        : TopicRules.Levels(packet.Topic) > _settings.TopicLevelsMax ? MqttReason.TopicNameInvalid
        : packet.Retain && _settings.RetainedMax == 0 ? MqttReason.RetainNotSupported
        : MqttReason.Success;

    // Everything below depin/ is the gateway's own, except frames.
    private bool MayPublish(ReadOnlySpan<byte> topic) => (_settings.OpenTopics && !FrameTopic.IsReserved(topic)) || (Identity.MayRead(_settings.AnonymousRead) && IsHeard(topic));

    private bool IsHeard(ReadOnlySpan<byte> topic)
    {
        foreach (byte[] heard in _services.Heard.Keys)
        {
            if (topic.SequenceEqual(heard))
            {
                return true;
            }
        }

        return false;
    }

    private MqttResult ResolveAlias(ref PublishPacket packet)
    {
        if (packet.Properties.Number(MqttPropertyId.TopicAlias) is not { } alias)
        {
            return MqttResult.Ok;
        }

        if (alias > _settings.TopicAliasMax)
        {
            return MqttResult.TopicAliasInvalid; // MQTT-3.3.2-9
        }

        _inboundAliases ??= new byte[]?[_settings.TopicAliasMax + 1];
        if (!packet.Topic.IsEmpty)
        {
            if (!packet.Topic.SequenceEqual(_inboundAliases[alias]))
            {
                _inboundAliases[alias] = packet.Topic.ToArray();
            }

            return MqttResult.Ok;
        }

        if (_inboundAliases[alias] is not { } topic)
        {
            return MqttResult.TopicAliasInvalid;
        }

        packet.Topic = topic;
        return MqttResult.Ok;
    }

    // QoS 2: a message sent again before PUBREL is not taken again; its PUBREC is repeated, or comes with the verdict.
    private bool IsRepeated(ushort packetId, out bool answer)
    {
        lock (_window)
        {
            for (int i = 0; i < _count; i++)
            {
                FrameSlot slot = _slots[(_head + i) % _slots.Length]!;
                if (slot.PacketId == packetId && slot.Qos == MqttQos.ExactlyOnce)
                {
                    answer = false;
                    return true;
                }
            }
        }

        return answer = _session!.HasReceived(packetId);
    }

    private MqttResult HandlePubRel(ReadOnlySpan<byte> body)
    {
        MqttResult result = AckPacket.Read(_version, MqttPacketType.PubRel, body, out AckPacket release);
        if (result == MqttResult.Ok)
        {
            bool known = _session!.RemoveReceived(release.PacketId);
            if (known)
            {
                Answered();
            }

            SendAck(MqttPacketType.PubComp, release.PacketId, known ? MqttReason.Success : MqttReason.PacketIdentifierNotFound);
        }

        return result;
    }

    private MqttResult HandleSubscribe(ReadOnlySpan<byte> body, out bool goOn)
    {
        goOn = true;
        MqttResult result = SubscribePacket.Read(_version, body, out SubscribePacket packet);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        uint id = packet.Properties.Number(MqttPropertyId.SubscriptionId) ?? 0;
        byte[] reasons = new byte[packet.Count];
        List<Delivery> retained = [];
        bool time = false;
        int index = 0;
        foreach (SubscriptionRequest request in packet)
        {
            MqttReason reason = Subscribe(request, id, retained);
            time |= !reason.IsFailure() && TopicRules.Matches(request.Filter, MqttIngest.TimeTopic);
            reasons[index++] = _version == MqttVersion.V311 && reason.IsFailure() ? (byte)MqttReason.UnspecifiedError : (byte)reason;
        }

        lock (_out)
        {
            if (!_isClosing)
            {
                new SubAckPacket { PacketId = packet.PacketId, Reasons = reasons }.Write(_version, MqttPacketType.SubAck, _filling);
                WakeWriter();
            }
        }

        foreach (Delivery delivery in retained)
        {
            _session!.Deliver(delivery);
        }

        if (time && _services.TimeMessage() is { } message)
        {
            _session!.Deliver(new Delivery(message, MqttQos.AtMostOnce, Retain: false, []));
        }

        if (_services.Updates is { } updates)
        {
            DeliverManifests(packet, reasons, updates);
        }

        return MqttResult.Ok;
    }

    // Whoever subscribes to one device's offer hears at once what it is, and that there is none.
    private void DeliverManifests(in SubscribePacket packet, byte[] reasons, IDeviceUpdates updates)
    {
        Span<byte> deviceId = stackalloc byte[DeviceId.Bytes];
        int index = 0;
        foreach (SubscriptionRequest request in packet)
        {
            byte granted = reasons[index++];
            if (granted <= (byte)MqttQos.ExactlyOnce && FrameTopic.TryReadUpdateManifest(request.Filter, deviceId))
            {
                // An offer that changes meanwhile is published by another thread, perhaps before this one is delivered: then the newer has to follow it.
                ReadOnlyMemory<byte> manifest;
                do
                {
                    manifest = updates.ManifestFor(deviceId);
                    MqttQos qos = (MqttQos)Math.Min(granted, (byte)MqttQos.AtLeastOnce);
                    _session!.Deliver(new Delivery(new Message(request.Filter.ToArray(), manifest.ToArray(), [], qos, Retain: false, 0, null), qos, Retain: false, []));
                }
                while (!updates.ManifestFor(deviceId).Equals(manifest));
            }
        }
    }

    private MqttReason Subscribe(in SubscriptionRequest request, uint id, List<Delivery> retained)
    {
        if (!TopicRules.IsFilter(request.Filter) || TopicRules.Levels(request.Filter) > _settings.TopicLevelsMax)
        {
            return MqttReason.TopicFilterInvalid;
        }

        if (TopicRules.IsShared(request.Filter))
        {
            return MqttReason.SharedSubscriptionsNotSupported;
        }

        if (!Identity.MaySubscribe(request.Filter, _session!.ClientId, _settings.AnonymousRead))
        {
            return MqttReason.NotAuthorized;
        }

        List<Message>? messages = _services.Broker.Subscribe(_session!, request.Filter, request.Options, id);
        if (messages is null)
        {
            return MqttReason.QuotaExceeded;
        }

        foreach (Message message in messages)
        {
            MqttQos qos = (MqttQos)Math.Min((int)message.Qos, (int)request.Options.Qos);
            retained.Add(new Delivery(message, qos, Retain: true, id == 0 ? [] : [id]));
        }

        return (MqttReason)request.Options.Qos;
    }

    private MqttResult HandleUnsubscribe(ReadOnlySpan<byte> body)
    {
        MqttResult result = UnsubscribePacket.Read(_version, body, out UnsubscribePacket packet);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        byte[] reasons = new byte[packet.Count];
        int index = 0;
        foreach (ReadOnlySpan<byte> filter in packet)
        {
            bool known = _services.Broker.Unsubscribe(_session!, filter);
            reasons[index++] = (byte)(known ? MqttReason.Success : MqttReason.NoSubscriptionExisted);
        }

        lock (_out)
        {
            if (!_isClosing)
            {
                new SubAckPacket { PacketId = packet.PacketId, Reasons = reasons }.Write(_version, MqttPacketType.UnsubAck, _filling);
                WakeWriter();
            }
        }

        return MqttResult.Ok;
    }

    private MqttResult HandlePing(ReadOnlySpan<byte> body)
    {
        MqttResult result = PingPacket.Read(body);
        if (result == MqttResult.Ok)
        {
            lock (_out)
            {
                if (!_isClosing)
                {
                    PingPacket.Write(MqttPacketType.PingResp, _filling);
                    WakeWriter();
                }
            }
        }

        return result;
    }

    private MqttResult HandleDisconnect(ReadOnlySpan<byte> body, out bool goOn)
    {
        goOn = false;
        MqttResult result = DisconnectPacket.Read(_version, MqttPacketType.Disconnect, body, out DisconnectPacket packet);
        if (result != MqttResult.Ok)
        {
            return result;
        }

        if (packet.Properties.Has(MqttPropertyId.ServerReference))
        {
            return MqttResult.PropertyNotAllowed; // Only a server refers elsewhere (section 3.14.2.2.5).
        }

        if (packet.Properties.Number(MqttPropertyId.SessionExpirySeconds) is { } expiry)
        {
            if (_session!.ExpirySeconds == 0 && expiry != 0)
            {
                return MqttResult.PropertyValueInvalid; // MQTT-3.14.2-2
            }

            _session.ExpirySeconds = Math.Min(expiry, _settings.SessionExpirySecondsMax);
        }

        _sendWill = packet.Reason != MqttReason.Success;
        return MqttResult.Ok;
    }

    private void Refuse(MqttResult result)
    {
        _metrics.Count(result);
        if (_session is null)
        {
            // Section 4.13.1: before CONNACK there is nothing to say in 3.1.1; in 5 a CONNACK may tell why.
            if (_version == MqttVersion.V5)
            {
                RefuseConnect(result.ToReason() is MqttReason reason && reason.IsAllowedIn(MqttPacketType.ConnAck) ? reason : MqttReason.MalformedPacket);
            }

            lock (_out)
            {
                BeginClosing();
            }

            return;
        }

        Close(result == MqttResult.UnknownPacketType ? MqttReason.ProtocolError : result.ToReason());
    }

    private FrameSlot TakeSlot()
    {
        lock (_window)
        {
            int index = (_head + _count) % _slots.Length;
            FrameSlot slot = _slots[index] ??= new FrameSlot(this);
            slot.IsDone = false;
            _count++;
            return slot;
        }
    }

    // Answers what is at the head of the window and has its verdict.
    private void Finish(FrameSlot slot)
    {
        lock (_window)
        {
            slot.IsDone = true;
            while (_count > 0 && _slots[_head]!.IsDone)
            {
                Answer(_slots[_head]!);
                _head = (_head + 1) % _slots.Length;
                _count--;
            }
        }

        Resume();
    }

    private void Answer(FrameSlot slot)
    {
        MqttReason reason = slot.IsFrame ? ReasonOf(slot.Verdict) : slot.Reason;
        if (slot.IsFrame)
        {
            _metrics.Count(slot.Verdict);
            if (slot.Verdict == FrameVerdict.Accepted)
            {
                Prove(slot);
            }

            if (reason.IsFailure())
            {
                SendVerdict(slot);
            }
        }

        if (reason.IsFailure() && (_version == MqttVersion.V311 ? slot.Qos != MqttQos.AtMostOnce || !slot.IsFrame : slot.Qos == MqttQos.AtMostOnce && !slot.IsFrame))
        {
            // 3.1.1 cannot refuse a message, only the connection (MQTT-3.3.5-2); nor can a QoS 0 message be refused in 5.
            Close(reason);
            return;
        }

        if (slot.Qos == MqttQos.AtLeastOnce)
        {
            Answered(); // Before the client can hear of it and use its quota again.
            SendAck(MqttPacketType.PubAck, slot.PacketId, reason);
        }
        else if (slot.Qos == MqttQos.ExactlyOnce)
        {
            if (reason.IsFailure())
            {
                Answered();
            }
            else
            {
                _session!.AddReceived(slot.PacketId);
            }

            SendAck(MqttPacketType.PubRec, slot.PacketId, reason);
        }
    }

    private void SendVerdict(FrameSlot slot)
    {
        byte[] topic = Encoding.UTF8.GetBytes(Topics.Verdict(Convert.ToHexStringLower(slot.DeviceIdBytes.Span)));
        if (_session!.IsSubscribed(topic))
        {
            byte[] payload = new byte[VerdictMessage.Bytes];
            VerdictMessage.Write(slot.Sequence, (byte)slot.Verdict, MayRetry(slot.Verdict) ? VerdictMessage.FlagKeep : (byte)0, payload, 0);
            SendPublish(new Delivery(new Message(topic, payload, [], MqttQos.AtMostOnce, false, 0, null), MqttQos.AtMostOnce, false, []), 0, duplicate: false);
        }
    }

    private static bool MayRetry(FrameVerdict verdict) =>
        verdict is FrameVerdict.UnknownDevice or FrameVerdict.StoreFull or FrameVerdict.Busy or FrameVerdict.Unavailable;

    private static MqttReason ReasonOf(FrameVerdict verdict) => verdict switch
    {
        FrameVerdict.Accepted or FrameVerdict.Duplicate => MqttReason.Success,
        FrameVerdict.Malformed or FrameVerdict.TooLarge => MqttReason.PayloadFormatInvalid,
        FrameVerdict.TopicMismatch => MqttReason.TopicNameInvalid,
        FrameVerdict.UnknownDevice or FrameVerdict.Revoked or FrameVerdict.BadSignature => MqttReason.NotAuthorized,
        FrameVerdict.Replayed or FrameVerdict.Equivocation => MqttReason.ImplementationSpecificError,
        FrameVerdict.StoreFull or FrameVerdict.Busy or FrameVerdict.Unavailable => MqttReason.QuotaExceeded,
        _ => MqttReason.UnspecifiedError,
    };

    private void Answered()
    {
        if (Interlocked.Decrement(ref _unanswered) < 0)
        {
            Interlocked.Exchange(ref _unanswered, 0); // A PUBREL of an earlier connection.
        }
    }

    private bool HasRoom() => !_isLoginPending && _count < _slots.Length - (_version == MqttVersion.V5 ? 0 : 1) && Volatile.Read(ref _filling).Count < _settings.OutboundBytesMax;

    private Task PauseAsync()
    {
        lock (_out)
        {
            // First say that someone waits, then look: Resume does it the other way round, so one of the two sees the other.
            Task resumed = (_resume ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            Interlocked.MemoryBarrier();
            if (_isClosing || Volatile.Read(ref _isDraining) || HasRoom())
            {
                _resume.TrySetResult();
                _resume = null;
            }

            return resumed;
        }
    }

    private void Resume()
    {
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _resume) is null)
        {
            return;
        }

        lock (_out)
        {
            if (_isClosing || Volatile.Read(ref _isDraining) || HasRoom())
            {
                _resume?.TrySetResult();
                _resume = null;
            }
        }
    }

    private async Task EmptyWindowAsync()
    {
        using CancellationTokenSource timeout = new(_settings.StopTimeout, _services.Time);
        while (_count > 0 && !timeout.IsCancellationRequested && !_isClosing)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), _services.Time, CancellationToken.None).ConfigureAwait(false);
        }
    }

    // Under _out, or its caller is.
    private void BeginClosing()
    {
        _isClosing = true;
        _resume?.TrySetResult();
        _resume = null;
    }

    private void Abort()
    {
        lock (_out)
        {
            _outputLost = true;
            BeginClosing();
            _written?.TrySetResult();
        }

        _abort();
        _transport.Input.CancelPendingRead();
    }

    // Under _out.
    private void WakeWriter()
    {
        if (!_isWriting && !_outputLost)
        {
            _isWriting = true;
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private SendResult SendPublish(in Delivery delivery, ushort packetId, bool duplicate, uint? expirySeconds, scoped ref PropertyWriter properties)
    {
        if (_isClosing)
        {
            return SendResult.Closed;
        }

        if (_filling.Count >= _settings.OutboundBytesMax)
        {
            if (delivery.Qos == MqttQos.AtMostOnce)
            {
                _metrics.Count(DropReason.OutboundFull);
            }

            return SendResult.Full;
        }

        Message message = delivery.Message;
        PublishPacket packet = new()
        {
            Duplicate = duplicate,
            Qos = delivery.Qos,
            Retain = delivery.Retain,
            PacketId = packetId,
            Topic = message.Topic,
            Payload = message.Payload,
        };
        if (_version == MqttVersion.V5)
        {
            properties.AddRaw(message.Properties);
            if (expirySeconds is { } seconds)
            {
                properties.Add(MqttPropertyId.MessageExpirySeconds, seconds);
            }

            foreach (uint id in delivery.SubscriptionIds)
            {
                properties.Add(MqttPropertyId.SubscriptionId, id);
            }

            packet.Properties = properties.Written;
            if (packet.Measure(_version) + 3 > _outboundPacketBytesMax) // 3: a topic alias
            {
                _metrics.Count(DropReason.TooLarge);
                return SendResult.Dropped; // MQTT-3.1.2-25
            }

            if (OutboundAlias(message.Topic, out bool known) is not 0 and ushort alias)
            {
                properties.Add(MqttPropertyId.TopicAlias, alias);
                packet.Properties = properties.Written;
                packet.Topic = known ? default : packet.Topic;
            }
        }

        packet.Write(_version, _filling);
        _metrics.Deliver();
        WakeWriter();
        return SendResult.Sent;
    }

    // The first topics get the aliases; 0 means none is left.
    private ushort OutboundAlias(byte[] topic, out bool known)
    {
        known = false;
        if (_outboundAliasMax == 0)
        {
            return 0;
        }

        _outboundAliases ??= new Dictionary<byte[], ushort>(Utf8Comparer.Instance);
        known = _outboundAliases.TryGetValue(topic, out ushort alias);
        if (!known && _outboundAliases.Count < _outboundAliasMax)
        {
            alias = (ushort)(_outboundAliases.Count + 1);
            _outboundAliases.Add(topic, alias);
        }

        return alias;
    }

    private async Task WriteLoopAsync()
    {
        bool wrote = false;
        try
        {
            while (true)
            {
                lock (_out)
                {
                    if (_filling.Count == 0 || _outputLost)
                    {
                        _isWriting = false;
                        _written?.TrySetResult();
                        break;
                    }

                    (_filling, _sending) = (_sending, _filling);
                    wrote = true;
                }

                Volatile.Write(ref _writeSince, Math.Max(1, _services.Time.GetTimestamp()));
                FlushResult flushed = await _transport.Output.WriteAsync(_sending.Written).ConfigureAwait(false);
                Volatile.Write(ref _writeSince, 0);
                _sending.Clear();
                if (flushed.IsCompleted)
                {
                    Abort(); // The peer does not read any more.
                }

                Resume();
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            Volatile.Write(ref _writeSince, 0);
            Abort();
        }

        if (wrote)
        {
            _session?.Continue();
        }
    }

    // What was announced has to arrive: a close with unread input would reset the connection and destroy it. So: write, half-close,
    // then read and drop until the client closes or the time is up.
    private async Task EndAsync(bool announced)
    {
        using CancellationTokenSource timeout = new(_settings.DrainTimeout, _services.Time);
        try
        {
            Task written;
            lock (_out)
            {
                written = _isWriting ? (_written ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task : Task.CompletedTask;
            }

            await written.WaitAsync(timeout.Token).ConfigureAwait(false);
            if (!announced)
            {
                return;
            }

            _socket?.Shutdown(SocketShutdown.Send);
            while (true)
            {
                ReadResult read = await _transport.Input.ReadAsync(timeout.Token).ConfigureAwait(false);
                _transport.Input.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            _abort(); // The client did not go in time, or went its own way.
        }
    }

    private static byte[] Forwardable(MqttProperties properties)
    {
        if (properties.IsEmpty)
        {
            return [];
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(properties.Raw.Length);
        try
        {
            PropertyWriter writer = new(buffer);
            foreach (MqttProperty property in properties)
            {
                switch (property.Id)
                {
                    case MqttPropertyId.PayloadFormat:
                        writer.Add(property.Id, property.Number);
                        break;
                    case MqttPropertyId.ContentType or MqttPropertyId.ResponseTopic or MqttPropertyId.CorrelationData:
                        writer.Add(property.Id, property.Bytes);
                        break;
                    case MqttPropertyId.UserProperty:
                        writer.AddUser(property.Bytes, property.Value); // In the order they came (MQTT-3.3.2-18).
                        break;
                    default:
                        break;
                }
            }

            return writer.Written.Raw.ToArray();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
