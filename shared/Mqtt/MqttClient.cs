// An MQTT 3.1.1 and 5 client of one connection: CONNECT once, publish with a bounded window of unacknowledged messages, subscribe,
// close. Publishing encodes into one buffer that a single loop writes, so pipelined messages share writes and allocate nothing each.
// It never reconnects by itself: await Closed, make a new client from the same options, and publish again what was not answered.
// Used by the gateway's subscription to a broker, the CLI and the load generator.

using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Tasks.Sources;

namespace DePIN.Mqtt;

/// <summary>One connection to an MQTT server. Members may be called from any thread.</summary>
public sealed class MqttClient : IAsyncDisposable
{
    private const int ReadBufferBytesFirst = 4 * 1024;
    private const int PropertyBytesMax = 64;

    private readonly MqttClientOptions _options;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource<MqttClosed> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<ushort> _receivedQos2 = [];

    private Stream? _stream;
    private SemaphoreSlim? _window;
    private int _turns; // publishes that wait for the window or the outbound buffer
    private Task _lastTurn = Task.CompletedTask;
    private bool _isLeaving; // DISCONNECT is written
    private Pending[] _pending = [];
    private Stack<Pending> _free = [];
    private PacketBuffer _filling = new();
    private PacketBuffer _writing = new();
    private TaskCompletionSource? _drained;
    private bool _writerIdle;
    private bool _connected;
    private bool _finished;
    private Task _loops = Task.CompletedTask;
    private TopicCache? _lastTopic;
    private long _lastSent;
    private long _pingSent;
    private ushort _keepAliveSeconds;
    private int _serverPacketBytesMax = int.MaxValue;
    private int _unacknowledged; // received, and left to Acknowledge
    private TaskCompletionSource? _room; // the reading loop waits for an acknowledgement

    /// <summary>Prepares a client; nothing is opened before <see cref="ConnectAsync"/>.</summary>
    public MqttClient(MqttClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.InFlightMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.InFlightMax, ushort.MaxValue);
        _options = options;
        _time = options.Time;
    }

    /// <summary>Whether the server has accepted the connection and it has not ended.</summary>
    public bool IsConnected => Volatile.Read(ref _connected);

    /// <summary>Completes, never fails, when the connection has ended.</summary>
    public Task<MqttClosed> Closed => _closed.Task;

    /// <summary>Opens the connection. A refusal by the server is a result; use a new client for another attempt.</summary>
    /// <exception cref="SocketException">The server cannot be reached.</exception>
    /// <exception cref="IOException">The stream ended before CONNACK, or the server broke the protocol.</exception>
    /// <exception cref="System.Security.Authentication.AuthenticationException">The server's certificate is not trusted.</exception>
    /// <exception cref="TimeoutException">No CONNACK within <see cref="MqttClientOptions.ConnectTimeout"/>.</exception>
    public async Task<MqttConnectResult> ConnectAsync(CancellationToken cancellation = default)
    {
        if (_stream is not null)
        {
            throw new InvalidOperationException("A client connects once: make a new one from the same options.");
        }

        using CancellationTokenSource timeout = new(_options.ConnectTimeout, _time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timeout.Token, _stopping.Token);
        try
        {
            _stream = await OpenAsync(both.Token).ConfigureAwait(false);
            WriteConnect(_writing);
            await _stream.WriteAsync(_writing.Written, both.Token).ConfigureAwait(false);
            _writing.Clear();

            byte[] buffer = new byte[ReadBufferBytesFirst];
            (MqttConnectResult result, int used, int count) = await ReadConnAckAsync(buffer, both.Token).ConfigureAwait(false);
            if (!result.IsConnected)
            {
                Finish(new MqttClosed(MqttCloseCause.Server, (MqttReason)result.Code, null));
                return result;
            }

            Start(result, buffer, used, count);
            return result;
        }
        catch (OperationCanceledException e) when (timeout.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            Finish(new MqttClosed(MqttCloseCause.Network, MqttReason.UnspecifiedError, e));
            throw new TimeoutException($"{_options.Host}:{_options.Port} did not answer CONNECT within {_options.ConnectTimeout.TotalSeconds:0.#} s.", e);
        }
        catch (Exception e)
        {
            Finish(new MqttClosed(MqttCloseCause.Network, MqttReason.UnspecifiedError, e));
            throw;
        }
    }

    /// <summary>Publishes; see the overload with an encoded topic.</summary>
    public ValueTask<MqttAnswer> PublishAsync(
        string topic, ReadOnlyMemory<byte> payload, MqttQos qos = MqttQos.AtLeastOnce, bool retain = false, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(topic);
        TopicCache? cached = _lastTopic;
        if (cached is null || !string.Equals(cached.Text, topic, StringComparison.Ordinal))
        {
            _lastTopic = cached = new TopicCache(topic, Encoding.UTF8.GetBytes(topic));
        }

        return PublishAsync(cached.Utf8, payload, qos, retain, cancellation);
    }

    /// <summary>
    /// Publishes a message and completes with the server's answer (QoS 1: PUBACK, QoS 2: PUBCOMP or a refusing PUBREC; QoS 0: when it is
    /// in the outbound buffer). Waits while the window or the outbound buffer is full. Payload and topic are copied before it returns
    /// or, when it had to wait, before it completes. Cancelling stops the waiting; a message already sent stays sent.
    /// </summary>
    /// <returns><see cref="MqttAnswer.IsAnswered"/> is false when the connection ended first: whether the message arrived is unknown.</returns>
    public ValueTask<MqttAnswer> PublishAsync(
        ReadOnlyMemory<byte> topic, ReadOnlyMemory<byte> payload, MqttQos qos = MqttQos.AtLeastOnce, bool retain = false, CancellationToken cancellation = default)
    {
        SemaphoreSlim window = _window ?? throw NotConnected();
        if (!TopicRules.IsName(topic.Span))
        {
            throw new ArgumentException("A topic name must not be empty or hold a wildcard.", nameof(topic));
        }

        Task previous;
        TaskCompletionSource turn;
        lock (_gate)
        {
            if (_turns == 0 && _filling.Count < _options.OutboundBytesMax && (qos == MqttQos.AtMostOnce || window.Wait(0, CancellationToken.None)))
            {
                return Send(topic.Span, payload.Span, qos, retain, cancellation);
            }

            // Who has to wait takes a turn, and whoever comes later takes the next: messages leave in the order of the calls (MQTT-4.6.0).
            _turns++;
            previous = _lastTurn;
            turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _lastTurn = turn.Task;
        }

        return WaitAndPublishAsync(previous, turn, topic, payload, qos, retain, cancellation);
    }

    /// <summary>Subscribes to one filter and completes with its SUBACK code: a granted QoS or a failure.</summary>
    public async ValueTask<MqttAnswer> SubscribeAsync(string filter, SubscriptionOptions options, uint subscriptionId = 0, CancellationToken cancellation = default)
    {
        await AcquireAsync(cancellation).ConfigureAwait(false);
        return await SendRequest(filter, options, subscriptionId, unsubscribe: false, cancellation).ConfigureAwait(false);
    }

    /// <summary>Subscribes with a QoS and otherwise default options.</summary>
    public ValueTask<MqttAnswer> SubscribeAsync(string filter, MqttQos qos = MqttQos.AtLeastOnce, CancellationToken cancellation = default) =>
        SubscribeAsync(filter, new SubscriptionOptions(qos), 0, cancellation);

    /// <summary>Unsubscribes from one filter.</summary>
    public async ValueTask<MqttAnswer> UnsubscribeAsync(string filter, CancellationToken cancellation = default)
    {
        await AcquireAsync(cancellation).ConfigureAwait(false);
        return await SendRequest(filter, default, 0, unsubscribe: true, cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Answers a received message (<see cref="MqttClientOptions.ManualAcknowledgement"/>): PUBACK, or PUBREC for QoS 2. Call it once a message and
    /// in the order in which they came (MQTT-4.6.0-2). Does nothing after the connection has ended: the server sends the message again.
    /// </summary>
    public void Acknowledge(ushort packetId, MqttQos qos)
    {
        lock (_gate)
        {
            if (_finished)
            {
                return;
            }

            Interlocked.Decrement(ref _unacknowledged);
            _room?.TrySetResult();
            _room = null;
        }

        Reply(qos == MqttQos.ExactlyOnce ? MqttPacketType.PubRec : MqttPacketType.PubAck, packetId, MqttReason.Success);
    }

    /// <summary>Sends what is buffered and DISCONNECT, then closes. <paramref name="sendWill"/> asks a version 5 server for the will.</summary>
    public async Task DisconnectAsync(bool sendWill = false, CancellationToken cancellation = default)
    {
        if (IsConnected)
        {
            Task drained;
            lock (_gate)
            {
                new DisconnectPacket { Reason = sendWill ? MqttReason.DisconnectWithWill : MqttReason.Success }
                    .Write(_options.Version, MqttPacketType.Disconnect, _filling);
                _isLeaving = true;
                drained = (_drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
                WakeWriter();
            }

            await Task.WhenAny(drained, Closed).WaitAsync(_options.ConnectTimeout, _time, cancellation).ConfigureAwait(false);
        }

        Finish(new MqttClosed(MqttCloseCause.Local, MqttReason.Success, null));
        await _loops.ConfigureAwait(false);
    }

    /// <summary>Drops the connection without DISCONNECT, as a lost network would.</summary>
    public void Abort() => Finish(new MqttClosed(MqttCloseCause.Local, MqttReason.UnspecifiedError, null));

    /// <summary>Closes without DISCONNECT if <see cref="DisconnectAsync"/> was not called, and waits for the loops to end.</summary>
    public async ValueTask DisposeAsync()
    {
        Abort();
        await _loops.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private static InvalidOperationException NotConnected() => new("ConnectAsync has not succeeded.");

    private async Task<Stream> OpenAsync(CancellationToken cancellation)
    {
        Stream stream;
        if (_options.Dial is { } dial)
        {
            stream = await dial(cancellation).ConfigureAwait(false);
        }
        else
        {
            Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(_options.Host, _options.Port, cancellation).ConfigureAwait(false);
                stream = new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        if (_options.Tls is not { } tls)
        {
            return stream;
        }

        SslStream secure = new(stream, leaveInnerStreamOpen: false);
        try
        {
            await secure.AuthenticateAsClientAsync(TlsOptions(tls), cancellation).ConfigureAwait(false);
            return secure;
        }
        catch
        {
            await secure.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private SslClientAuthenticationOptions TlsOptions(MqttTls tls)
    {
        SslClientAuthenticationOptions options = new()
        {
            TargetHost = tls.TargetHost ?? _options.Host,
            RemoteCertificateValidationCallback = tls.Validate,
            EnabledSslProtocols = tls.Protocols,
        };
        if (tls.TrustedRoots is { } roots)
        {
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck, // A private root publishes no revocation list.
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
            if (tls.ValidAt is { } time)
            {
                options.CertificateChainPolicy.VerificationTime = time;
            }
        }

        if (tls.ClientCertificate is { } own)
        {
            options.ClientCertificates = [own];
        }

        return options;
    }

    private void WriteConnect(PacketBuffer output)
    {
        PropertyWriter properties = new(stackalloc byte[PropertyBytesMax]);
        PropertyWriter willProperties = new(stackalloc byte[PropertyBytesMax]);
        if (_options.Version == MqttVersion.V5)
        {
            if (_options.SessionExpirySeconds != 0)
            {
                properties.Add(MqttPropertyId.SessionExpirySeconds, _options.SessionExpirySeconds);
            }

            properties.Add(MqttPropertyId.ReceiveMaximum, _options.ReceiveMaximum);
            properties.Add(MqttPropertyId.MaximumPacketBytes, (uint)_options.PacketBytesMax);
            if (_options.Will is { DelaySeconds: not 0 } delayed)
            {
                willProperties.Add(MqttPropertyId.WillDelaySeconds, delayed.DelaySeconds);
            }
        }

        new ConnectPacket
        {
            Version = _options.Version,
            CleanStart = _options.CleanStart,
            KeepAliveSeconds = _options.KeepAliveSeconds,
            Properties = properties.Written,
            ClientId = Encoding.UTF8.GetBytes(_options.ClientId),
            HasWill = _options.Will is not null,
            WillQos = _options.Will?.Qos ?? MqttQos.AtMostOnce,
            WillRetain = _options.Will?.Retain ?? false,
            WillProperties = willProperties.Written,
            WillTopic = Encoding.UTF8.GetBytes(_options.Will?.Topic ?? ""),
            WillPayload = _options.Will is { } will ? will.Payload.Span : default,
            HasUserName = _options.UserName is not null,
            UserName = Encoding.UTF8.GetBytes(_options.UserName ?? ""),
            HasPassword = _options.Password is not null,
            Password = _options.Password is { } password ? password.Span : default,
        }.Write(output);
    }

    private async Task<(MqttConnectResult Result, int Used, int Count)> ReadConnAckAsync(byte[] buffer, CancellationToken cancellation)
    {
        int count = 0;
        while (true)
        {
            int read = await _stream!.ReadAsync(buffer.AsMemory(count), cancellation).ConfigureAwait(false);
            if (read == 0)
            {
                throw new IOException($"{_options.Host}:{_options.Port} closed the connection before CONNACK.");
            }

            count += read;
            MqttResult result = PacketFraming.TryReadPacket(buffer.AsSpan(0, count), buffer.Length, out MqttHeader header, out ReadOnlySpan<byte> body);
            if (result == MqttResult.NeedMore)
            {
                continue;
            }

            if (result == MqttResult.Ok)
            {
                result = header.Type == MqttPacketType.ConnAck ? MqttResult.Ok : MqttResult.UnknownPacketType;
            }

            if (result == MqttResult.Ok)
            {
                // A server that knows no 5 answers in the form of 3.1.1 (section 3.2.2.3 there): two bytes, without properties.
                bool isOlder = _options.Version == MqttVersion.V5 && body.Length == 2 && body[1] == (byte)ConnectReturnCode.UnacceptableProtocolVersion;
                result = ConnAckPacket.Read(isOlder ? MqttVersion.V311 : _options.Version, body, out ConnAckPacket packet);
                if (result == MqttResult.Ok)
                {
                    MqttConnectResult described = Describe(packet);
                    return (isOlder ? described with { Code = (byte)MqttReason.UnsupportedProtocolVersion } : described, header.PacketBytes, count);
                }
            }

            throw new IOException($"{_options.Host}:{_options.Port} answered CONNECT with something else than CONNACK: {result}.");
        }
    }

    private MqttConnectResult Describe(in ConnAckPacket packet)
    {
        MqttProperties properties = packet.Properties;
        _serverPacketBytesMax = (int)Math.Min(properties.Number(MqttPropertyId.MaximumPacketBytes) ?? int.MaxValue, int.MaxValue);
        return new MqttConnectResult(
            packet.Code,
            packet.SessionPresent,
            properties.TryBytes(MqttPropertyId.AssignedClientId, out ReadOnlySpan<byte> assigned) ? Encoding.UTF8.GetString(assigned) : _options.ClientId,
            (ushort)(properties.Number(MqttPropertyId.ServerKeepAliveSeconds) ?? _options.KeepAliveSeconds),
            (ushort)(properties.Number(MqttPropertyId.ReceiveMaximum) ?? ushort.MaxValue),
            properties.TryBytes(MqttPropertyId.ReasonString, out ReadOnlySpan<byte> text) ? Encoding.UTF8.GetString(text) : "");
    }

    private void Start(MqttConnectResult result, byte[] buffer, int used, int count)
    {
        int window = Math.Min(_options.InFlightMax, result.ReceiveMaximum);
        _pending = new Pending[window];
        _free = new Stack<Pending>(window);
        for (int i = window; i > 0; i--)
        {
            Pending pending = new(this, (ushort)i);
            _pending[i - 1] = pending;
            _free.Push(pending);
        }

        _keepAliveSeconds = result.KeepAliveSeconds;
        _lastSent = _time.GetTimestamp();
        _window = new SemaphoreSlim(window);
        Volatile.Write(ref _connected, true);
        _loops = Task.WhenAll(
            Task.Run(() => ReadLoopAsync(buffer, used, count), CancellationToken.None),
            Task.Run(WriteLoopAsync, CancellationToken.None),
            _keepAliveSeconds == 0 ? Task.CompletedTask : Task.Run(KeepAliveLoopAsync, CancellationToken.None));
    }

    private async ValueTask<MqttAnswer> WaitAndPublishAsync(
        Task previous, TaskCompletionSource turn, ReadOnlyMemory<byte> topic, ReadOnlyMemory<byte> payload, MqttQos qos, bool retain, CancellationToken cancellation)
    {
        ValueTask<MqttAnswer> answer;
        bool acquired = false;
        try
        {
            await previous.WaitAsync(cancellation).ConfigureAwait(false);
            if (qos != MqttQos.AtMostOnce)
            {
                await AcquireAsync(cancellation).ConfigureAwait(false);
                acquired = true;
            }

            await DrainAsync(cancellation).ConfigureAwait(false);
            acquired = false; // the message has it now
            answer = Send(topic.Span, payload.Span, qos, retain, cancellation);
        }
        finally
        {
            if (acquired)
            {
                _window!.Release();
            }

            // A cancelled turn ends only after the one before it, or a later message would overtake.
            _ = previous.ContinueWith(_ => EndTurn(turn), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        return await answer.ConfigureAwait(false);
    }

    private void EndTurn(TaskCompletionSource turn)
    {
        lock (_gate)
        {
            _turns--;
        }

        turn.SetResult();
    }

    // A closed client lets everybody through: Send then answers "not answered".
    private async ValueTask AcquireAsync(CancellationToken cancellation)
    {
        SemaphoreSlim window = _window ?? throw NotConnected();
        await window.WaitAsync(cancellation).ConfigureAwait(false);
    }

    private async ValueTask DrainAsync(CancellationToken cancellation)
    {
        while (true)
        {
            Task drained;
            lock (_gate)
            {
                if (_finished || _filling.Count < _options.OutboundBytesMax)
                {
                    return;
                }

                drained = (_drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await drained.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    // The caller holds a place in the window unless the message is QoS 0.
    private ValueTask<MqttAnswer> Send(ReadOnlySpan<byte> topic, ReadOnlySpan<byte> payload, MqttQos qos, bool retain, CancellationToken cancellation)
    {
        PublishPacket packet = new() { Qos = qos, Retain = retain, Topic = topic, Payload = payload };
        if (packet.Measure(_options.Version) > _serverPacketBytesMax)
        {
            if (qos != MqttQos.AtMostOnce)
            {
                _window!.Release();
            }

            return new ValueTask<MqttAnswer>(new MqttAnswer(true, MqttReason.PacketTooLarge, 0)); // MQTT-3.2.2-15: it must not be sent.
        }

        Pending? pending = null;
        lock (_gate)
        {
            if (_finished)
            {
                if (qos != MqttQos.AtMostOnce)
                {
                    _window!.Release();
                }

                return new ValueTask<MqttAnswer>(new MqttAnswer(false, MqttReason.UnspecifiedError, 0));
            }

            if (qos != MqttQos.AtMostOnce)
            {
                pending = _free.Pop();
                pending.Begin(qos == MqttQos.ExactlyOnce ? MqttPacketType.PubRec : MqttPacketType.PubAck);
                packet.PacketId = pending.PacketId;
            }

            packet.Write(_options.Version, _filling);
            WakeWriter();
        }

        return pending?.Wait(cancellation) ?? new ValueTask<MqttAnswer>(new MqttAnswer(true, MqttReason.Success, 0));
    }

    private ValueTask<MqttAnswer> SendRequest(string filter, SubscriptionOptions options, uint subscriptionId, bool unsubscribe, CancellationToken cancellation)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(filter);
        Pending pending;
        lock (_gate)
        {
            if (_finished)
            {
                _window!.Release();
                return new ValueTask<MqttAnswer>(new MqttAnswer(false, MqttReason.UnspecifiedError, 0));
            }

            pending = _free.Pop();
            pending.Begin(unsubscribe ? MqttPacketType.UnsubAck : MqttPacketType.SubAck);
            if (unsubscribe)
            {
                UnsubscribePacket.Write(_options.Version, pending.PacketId, utf8, _filling);
            }
            else
            {
                PropertyWriter properties = new(stackalloc byte[8]);
                if (subscriptionId != 0)
                {
                    properties.Add(MqttPropertyId.SubscriptionId, subscriptionId);
                }

                SubscribePacket.Write(_options.Version, pending.PacketId, utf8, options, properties.Written, _filling);
            }

            WakeWriter();
        }

        return pending.Wait(cancellation);
    }

    // Under _gate.
    private void WakeWriter()
    {
        if (_writerIdle)
        {
            _writerIdle = false;
            _wake.Release();
        }
    }

    private async Task WriteLoopAsync()
    {
        try
        {
            while (true)
            {
                bool empty;
                lock (_gate)
                {
                    (_filling, _writing) = (_writing, _filling);
                    empty = _writing.Count == 0;
                    if (empty)
                    {
                        _writerIdle = true;
                    }

                    if (_drained is not null && empty)
                    {
                        _drained.TrySetResult();
                        _drained = null;
                    }
                }

                if (empty)
                {
                    await _wake.WaitAsync(_stopping.Token).ConfigureAwait(false);
                    continue;
                }

                await _stream!.WriteAsync(_writing.Written, _stopping.Token).ConfigureAwait(false);
                _writing.Clear();
                Volatile.Write(ref _lastSent, _time.GetTimestamp());
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            Finish(new MqttClosed(MqttCloseCause.Network, MqttReason.UnspecifiedError, e));
        }
    }

    private async Task ReadLoopAsync(byte[] buffer, int used, int count)
    {
        try
        {
            while (true)
            {
                MqttClosed? end = HandleAll(buffer, ref used, count, out bool isFull);
                if (end is not null)
                {
                    Finish(end);
                    return;
                }

                if (isFull)
                {
                    await RoomAsync().ConfigureAwait(false);
                    continue;
                }

                buffer = MakeRoom(buffer, ref used, ref count);
                int read = await _stream!.ReadAsync(buffer.AsMemory(count), _stopping.Token).ConfigureAwait(false);
                if (read == 0)
                {
                    Finish(new MqttClosed(MqttCloseCause.Network, MqttReason.UnspecifiedError, null));
                    return;
                }

                count += read;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            Finish(new MqttClosed(MqttCloseCause.Network, MqttReason.UnspecifiedError, e));
        }
    }

    private byte[] MakeRoom(byte[] buffer, ref int used, ref int count)
    {
        buffer.AsSpan(used, count - used).CopyTo(buffer);
        count -= used;
        used = 0;
        if (count == buffer.Length)
        {
            // HandleAll has refused anything above PacketBytesMax, so this ends there.
            Array.Resize(ref buffer, (int)Math.Min(buffer.Length * 2L, _options.PacketBytesMax + (long)PacketFraming.HeaderBytesMax));
        }

        return buffer;
    }

    // While it waits, PINGRESP is not read either: KeepAliveLoopAsync does not count that time.
    private async Task RoomAsync()
    {
        Task? room = null;
        lock (_gate)
        {
            if (_unacknowledged >= _options.ReceiveMaximum && !_finished)
            {
                room = (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }

        if (room is not null)
        {
            await room.ConfigureAwait(false);
            if (Volatile.Read(ref _pingSent) != 0)
            {
                Volatile.Write(ref _pingSent, Math.Max(1, _time.GetTimestamp()));
            }
        }

        _stopping.Token.ThrowIfCancellationRequested();
    }

    private MqttClosed? HandleAll(byte[] buffer, ref int used, int count, out bool isFull)
    {
        isFull = false;
        while (true)
        {
            MqttResult result = PacketFraming.TryReadPacket(
                buffer.AsSpan(used, count - used), _options.PacketBytesMax, out MqttHeader header, out ReadOnlySpan<byte> body);
            if (result == MqttResult.NeedMore)
            {
                return null;
            }

            MqttClosed? end = null;
            if (result == MqttResult.Ok)
            {
                // Only a message waits: what answers our own requests is read as long as it comes before one.
                if (header.Type == MqttPacketType.Publish && _options.ManualAcknowledgement && Volatile.Read(ref _unacknowledged) >= _options.ReceiveMaximum)
                {
                    isFull = true;
                    return null;
                }

                used += header.PacketBytes;
                result = Handle(header, body, out end);
            }

            if (result != MqttResult.Ok)
            {
                return new MqttClosed(MqttCloseCause.Protocol, result.ToReason(), null);
            }

            if (end is not null)
            {
                return end;
            }
        }
    }

    private MqttResult Handle(MqttHeader header, ReadOnlySpan<byte> body, out MqttClosed? end)
    {
        end = null;
        MqttVersion version = _options.Version;
        MqttResult result;
        switch (header.Type)
        {
            case MqttPacketType.PubAck or MqttPacketType.PubRec or MqttPacketType.PubComp:
                if ((result = AckPacket.Read(version, header.Type, body, out AckPacket ack)) == MqttResult.Ok)
                {
                    HandleAck(header.Type, ack.PacketId, ack.Reason);
                }

                return result;
            case MqttPacketType.PubRel:
                if ((result = AckPacket.Read(version, header.Type, body, out AckPacket release)) == MqttResult.Ok)
                {
                    bool known = _receivedQos2.Remove(release.PacketId);
                    Reply(MqttPacketType.PubComp, release.PacketId, known ? MqttReason.Success : MqttReason.PacketIdentifierNotFound);
                }

                return result;
            case MqttPacketType.SubAck or MqttPacketType.UnsubAck:
                if ((result = SubAckPacket.Read(version, header.Type, body, out SubAckPacket subAck)) == MqttResult.Ok)
                {
                    HandleAck(header.Type, subAck.PacketId, subAck.Reasons.IsEmpty ? MqttReason.Success : (MqttReason)subAck.Reasons[0]);
                }

                return result;
            case MqttPacketType.Publish:
                if ((result = PublishPacket.Read(version, header.Flags, body, out PublishPacket publish)) == MqttResult.Ok)
                {
                    end = HandlePublish(publish);
                }

                return result;
            case MqttPacketType.PingResp:
                Volatile.Write(ref _pingSent, 0);
                return PingPacket.Read(body);
            case MqttPacketType.Disconnect:
                if ((result = DisconnectPacket.Read(version, header.Type, body, out DisconnectPacket disconnect)) == MqttResult.Ok)
                {
                    end = new MqttClosed(MqttCloseCause.Server, disconnect.Reason, null);
                }

                return result;
            default:
                return MqttResult.UnknownPacketType;
        }
    }

    private MqttClosed? HandlePublish(in PublishPacket packet)
    {
        bool isManual = _options.ManualAcknowledgement && packet.Qos != MqttQos.AtMostOnce;
        if (packet.Qos != MqttQos.ExactlyOnce || _receivedQos2.Add(packet.PacketId))
        {
            if (isManual)
            {
                Interlocked.Increment(ref _unacknowledged);
            }

            try
            {
                _options.OnMessage?.Invoke(new MqttMessage
                {
                    Topic = packet.Topic,
                    Payload = packet.Payload,
                    Qos = packet.Qos,
                    Retain = packet.Retain,
                    Duplicate = packet.Duplicate,
                    PacketId = packet.PacketId,
                    Properties = packet.Properties,
                });
            }
#pragma warning disable CA1031 // The handler is the caller's: its failure ends this connection and is reported through Closed.
            catch (Exception e)
#pragma warning restore CA1031
            {
                return new MqttClosed(MqttCloseCause.Handler, MqttReason.UnspecifiedError, e);
            }
        }

        if (packet.Qos != MqttQos.AtMostOnce && !isManual)
        {
            Reply(packet.Qos == MqttQos.AtLeastOnce ? MqttPacketType.PubAck : MqttPacketType.PubRec, packet.PacketId, MqttReason.Success);
        }

        return null;
    }

    private void Reply(MqttPacketType type, ushort packetId, MqttReason reason)
    {
        lock (_gate)
        {
            new AckPacket { PacketId = packetId, Reason = reason }.Write(_options.Version, type, _filling);
            WakeWriter();
        }
    }

    private void HandleAck(MqttPacketType type, ushort packetId, MqttReason reason)
    {
        if (packetId > _pending.Length)
        {
            return; // Of an earlier connection of this session: nobody waits for it.
        }

        Pending pending = _pending[packetId - 1];
        lock (_gate)
        {
            if (pending.Awaited != type)
            {
                return;
            }

            if (type == MqttPacketType.PubRec && !reason.IsFailure())
            {
                pending.Awaited = MqttPacketType.PubComp;
                new AckPacket { PacketId = packetId }.Write(_options.Version, MqttPacketType.PubRel, _filling);
                WakeWriter();
                return;
            }

            pending.Awaited = MqttPacketType.None;
        }

        pending.Complete(new MqttAnswer(true, reason, packetId));
    }

    private async Task KeepAliveLoopAsync()
    {
        TimeSpan interval = TimeSpan.FromSeconds(_keepAliveSeconds);
        TimeSpan step = interval / 4;
        try
        {
            while (true)
            {
                await Task.Delay(step, _time, _stopping.Token).ConfigureAwait(false);
                long ping = Volatile.Read(ref _pingSent);
                if (ping != 0 && Volatile.Read(ref _room) is null && _time.GetElapsedTime(ping) >= interval)
                {
                    Finish(new MqttClosed(MqttCloseCause.KeepAlive, MqttReason.KeepAliveTimeout, null));
                    return;
                }

                // One step early: the interval must not be exceeded (MQTT-3.1.2-20).
                if (ping == 0 && _time.GetElapsedTime(Volatile.Read(ref _lastSent)) + step >= interval)
                {
                    Volatile.Write(ref _pingSent, Math.Max(1, _time.GetTimestamp()));
                    lock (_gate)
                    {
                        PingPacket.Write(MqttPacketType.PingReq, _filling);
                        WakeWriter();
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The connection ended.
        }
    }

    private void Finish(MqttClosed closed)
    {
        lock (_gate)
        {
            if (_finished)
            {
                return;
            }

            _finished = true;
            if (_isLeaving && closed.Cause == MqttCloseCause.Network)
            {
                // MQTT-3.14.4-2: the server closes when it has the DISCONNECT, often before our own close.
                closed = new MqttClosed(MqttCloseCause.Local, MqttReason.Success, null);
            }

            Volatile.Write(ref _connected, false);
            _drained?.TrySetResult();
            _drained = null;
            _room?.TrySetResult();
            _room = null;
        }

        _stopping.Cancel();
        _stream?.Dispose();
        foreach (Pending pending in _pending)
        {
            bool waiting;
            lock (_gate)
            {
                waiting = pending.Awaited != MqttPacketType.None;
                pending.Awaited = MqttPacketType.None;
            }

            if (waiting)
            {
                pending.Complete(new MqttAnswer(false, MqttReason.UnspecifiedError, pending.PacketId));
            }
        }

        _closed.TrySetResult(closed);
    }

    private void Return(Pending pending)
    {
        lock (_gate)
        {
            _free.Push(pending);
        }

        _window!.Release();
    }

    private sealed record TopicCache(string Text, byte[] Utf8);

    // One place in the window: its packet identifier, and the reusable source of the ValueTask that waits for the answer.
    // It is free again when both the answer has come and the waiter has taken its result.
    private sealed class Pending(MqttClient owner, ushort packetId) : IValueTaskSource<MqttAnswer>
    {
        private ManualResetValueTaskSourceCore<MqttAnswer> _core = new() { RunContinuationsAsynchronously = true };
        private CancellationTokenRegistration _cancellation;
        private int _outcome; // 0 waiting, 1 answered or cancelled first: whoever sets it completes the source
        private int _released; // the two of "answered" and "taken"

        public ushort PacketId { get; } = packetId;

        /// <summary>The packet type that answers, None when free; under the owner's gate.</summary>
        public MqttPacketType Awaited { get; set; }

        public void Begin(MqttPacketType awaited)
        {
            _core.Reset();
            _outcome = 0;
            _released = 0;
            Awaited = awaited;
        }

        public ValueTask<MqttAnswer> Wait(CancellationToken cancellation)
        {
            short version = _core.Version;
            if (cancellation.CanBeCanceled)
            {
                _cancellation = cancellation.UnsafeRegister(
                    static (state, token) => ((Pending)state!).Cancel(token), this);
            }

            return new ValueTask<MqttAnswer>(this, version);
        }

        public void Complete(MqttAnswer answer)
        {
            if (Interlocked.Exchange(ref _outcome, 1) == 0)
            {
                _core.SetResult(answer);
            }

            Release();
        }

        public MqttAnswer GetResult(short token)
        {
            try
            {
                return _core.GetResult(token);
            }
            finally
            {
                _cancellation.Dispose();
                _cancellation = default;
                Release();
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);

        private void Cancel(CancellationToken token)
        {
            if (Interlocked.Exchange(ref _outcome, 1) == 0)
            {
                _core.SetException(new OperationCanceledException(token));
            }
        }

        private void Release()
        {
            if (Interlocked.Increment(ref _released) == 2)
            {
                owner.Return(this);
            }
        }
    }
}
