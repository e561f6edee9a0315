using System.Security.Cryptography;
using System.Threading.Channels;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Tests.Ingest;
using DePIN.Gateway.Update;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;
using DePIN.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Update;

/// <summary>A real listener with a real stage behind it; frames are accepted by a fake intake.</summary>
internal sealed class UpdateHost : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly RolloutLog _log;
    private readonly Task _running;

    private UpdateHost(IngestHost host, ChunkRates rates)
    {
        Host = host;
        _log = RolloutLog.Open(_folder.Path);
        Stage = new UpdateStage(new PackageStore(Path.Combine(_folder.Path, "updates"), Operators.Key), _log, rates, _ => true, host.Ingest.PublishManifest, Metrics,
            new HealthBoard(TimeProvider.System, NullLogger.Instance), TimeProvider.System);
        host.Ingest.Use(Stage);
        _running = Task.Run(() => Stage.RunAsync(_stopping.Token));
    }

    public Operator Operators { get; } = new();

    public UpdateMetrics Metrics { get; } = new();

    public IngestHost Host { get; }

    public UpdateStage Stage { get; }

    public static async Task<UpdateHost> StartAsync(ChunkRates? rates = null, Func<IngestSettings, IngestSettings>? change = null) =>
        new(await IngestHost.StartAsync(change), rates ?? new ChunkRates(1 << 24, 1 << 26));

    public Rollout Start(UpdatePackage package, string stages = "100%") => Stage.Start(package.Content, Fleet.Plan(stages, soakS: 0));

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Assert.That(async () => await _running, Throws.InstanceOf<OperationCanceledException>());
        await Host.DisposeAsync();
        _log.Dispose();
        Metrics.Dispose();
        Operators.Dispose();
        _stopping.Dispose();
        _folder.Dispose();
    }
}

/// <summary>A node on the wire: one request at a time, asks again when no answer comes, goes on where it was after a lost connection.</summary>
internal sealed class WireNode(UpdateHost host, int number, string? clientId = null) : IAsyncDisposable
{
    private readonly byte[] _id = SHA256.HashData(BitConverter.GetBytes(number))[..20];
    private readonly Channel<byte[]> _manifests = Channel.CreateUnbounded<byte[]>();
    private readonly Channel<byte[]> _chunks = Channel.CreateUnbounded<byte[]>();
    private CountingStream? _stream;
    private byte[] _last = [];

    public byte[] Id => _id;

    public string Text => DeviceId.ToText(_id, 0);

    public MqttClient Client { get; private set; } = null!; // after ConnectAsync

    /// <summary>Bytes inside TCP, both ways, of all its connections.</summary>
    public long WireBytes { get; private set; }

    public byte[][] Files { get; private set; } = [];

    public int At { get; private set; }

    public async Task ConnectAsync(bool sendFrame = true)
    {
        Client = await host.Host.ConnectAsync(options => options with
        {
            ClientId = clientId ?? Text, Version = MqttVersion.V311,
            Dial = async cancel =>
            {
                System.Net.Sockets.TcpClient socket = new() { NoDelay = true };
                await socket.ConnectAsync("127.0.0.1", host.Host.Port, cancel);
                return _stream = new CountingStream(socket);
            },
            OnMessage = (in MqttMessage message) => (message.TopicText.EndsWith("manifest", StringComparison.Ordinal) ? _manifests : _chunks).Writer.TryWrite(message.Payload.ToArray()),
        });
        foreach (string topic in (string[])[Topics.UpdateManifest(Text), Topics.UpdateChunk(Text)]) Assert.That((await Client.SubscribeAsync(topic, MqttQos.AtMostOnce)).IsSuccess, Is.True);
        if (sendFrame) await FrameAsync();
    }

    public async Task FrameAsync() => Assert.That((await Client.PublishAsync(Topics.Frame(Text), new byte[100])).IsSuccess, Is.True);

    public async Task<byte[]> ManifestAsync()
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
        return await _manifests.Reader.ReadAsync(patience.Token);
    }

    public async Task SayAsync(byte state, uint running, uint offered = 0, byte[]? hash = null)
    {
        byte[] buffer = new byte[UpdateState.BytesMax];
        int count = UpdateState.Write(running, offered, hash, state, 0, 0, 0, "1.0", buffer, 0);
        count = UpdateState.WriteBoard(Operator.Board, buffer, 0, count);
        Assert.That((await Client.PublishAsync(Topics.UpdateState(Text), buffer.AsMemory(0, count), MqttQos.AtMostOnce)).IsSuccess, Is.True);
    }

    public async Task AskAsync(byte[] request) => Assert.That((await Client.PublishAsync(Topics.UpdateGet(Text), request, MqttQos.AtMostOnce)).IsSuccess, Is.True);

    /// <summary>Fetches until <paramref name="upTo"/> bytes of all files are there.</summary>
    public async Task FetchAsync(UpdateManifest manifest, byte[] hash, int upTo = int.MaxValue)
    {
        if (Files.Length == 0) Files = [.. manifest.Sizes.Select(size => new byte[size])];
        byte[] request = new byte[UpdateGet.Bytes];
        while (At < Math.Min(upTo, (int)manifest.TotalBytes))
        {
            int file = 0, at = At;
            while (at >= Files[file].Length) at -= Files[file++].Length;
            UpdateGet.Write(hash, (byte)file, (uint)at, (ushort)Math.Min(UpdateGet.CountMax, Files[file].Length - at), request, 0);
            byte[] chunk = await AnswerAsync(request);
            chunk.AsSpan(UpdateChunk.HeaderBytes).CopyTo(Files[file].AsSpan(at));
            At += chunk.Length - UpdateChunk.HeaderBytes;
        }
    }

    public async Task<byte[]> AnswerAsync(byte[] request)
    {
        while (true)
        {
            await AskAsync(request);
            using CancellationTokenSource patience = new(TimeSpan.FromSeconds(10));
            try
            {
                while (true)
                {
                    _last = await _chunks.Reader.ReadAsync(patience.Token);
                    if (UpdateChunk.IsValid(_last, 0, _last.Length) && UpdateChunk.Answers(_last, 0, request, 0)) return _last;
                }
            }
            catch (OperationCanceledException)
            {
                // Ask again, as a node does.
            }
        }
    }

    /// <summary>The connection is cut, without a word.</summary>
    public async Task CutAsync()
    {
        if (Client is null) return; // it never connected
        Client.Abort();
        await Client.DisposeAsync();
        WireBytes += _stream?.Count ?? 0;
        _stream = null;
        while (_chunks.Reader.TryRead(out _) || _manifests.Reader.TryRead(out _))
        {
        }
    }

    public async ValueTask DisposeAsync() => await CutAsync();

    private sealed class CountingStream(System.Net.Sockets.TcpClient socket) : Stream
    {
        private readonly System.Net.Sockets.NetworkStream _inner = socket.GetStream();
        private long _count;

        public long Count => Interlocked.Read(ref _count);

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => _inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await _inner.ReadAsync(buffer, cancellationToken);
            Interlocked.Add(ref _count, read);
            return read;
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await _inner.WriteAsync(buffer, cancellationToken);
            Interlocked.Add(ref _count, buffer.Length);
        }

        protected override void Dispose(bool disposing)
        {
            _inner.Dispose();
            socket.Dispose();
        }
    }
}
