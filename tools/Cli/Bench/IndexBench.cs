using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;
using DePIN.Gateway.Registry;
using DePIN.Gateway.Verify;
using DePIN.Index;
using DePIN.Protocol;
using Npgsql;

namespace DePIN.Cli.Bench;

/// <summary>
/// `depin bench index`: frames a second that the indexer fetches over HTTP, checks and writes, beside what P-256 alone and COPY alone do here, and how long questions take at a million
/// frames. The chain and the gateway's two paths are made up in this process; the indexer, PostgreSQL and the socket are real.
/// </summary>
public static class IndexBench
{
    private const int Devices = 64;
    private const int Batches = 24;
    private const int FramesPerBatch = 4_096;
    private const int SamplesPerFrame = 4;
    private const int RowsTotal = 1_000_000;
    private const int Questions = 200;
    private const int PageFrames = 100;

    public static Command Create()
    {
        Option<string> database = new("--database") { Description = "An empty database on the server to be measured.", HelpName = "postgresql://USER@HOST:PORT/DATABASE", Required = true };
        Option<string?> password = new("--password-file") { Description = "A file whose first line is the database's password.", HelpName = "FILE" };
        Option<bool> json = new("--json") { Description = "One JSON line on standard output." };
        Command command = new("index", "Frames a second into PostgreSQL, checked, beside P-256 and COPY alone; questions at a million frames.") { database, password, json };
        command.SetAction(async (parsed, cancel) =>
        {
            BenchCommand.WarnOfDebug();
            try
            {
                JsonObject result = await RunAsync(parsed.GetValue(database)!, parsed.GetValue(password), cancel).ConfigureAwait(false);
                Console.WriteLine(parsed.GetValue(json) ? result.ToJsonString() : string.Join(Environment.NewLine, result.Select(row => $"{row.Key,-24} {row.Value}")));
                return ExitCode.Ok;
            }
            catch (IndexException wrong)
            {
                throw new CliError(ExitCode.BadInput, wrong.Message, wrong.Remedy);
            }
            catch (NpgsqlException away)
            {
                throw new CliError(ExitCode.Unreachable, $"the database: {away.Message}", "check --database, and that it is empty");
            }
        });
        return command;
    }

    private static async Task<JsonObject> RunAsync(string databaseUri, string? passwordFile, CancellationToken cancel)
    {
        DeploymentRecord network = new(31337, Named(1), Named(2), Named(3), 300, 0);
        using MadeUpNetwork made = new(Devices, Batches, FramesPerBatch, SamplesPerFrame);
        await using NpgsqlDataSource database = NpgsqlDataSource.Create(DatabaseUri.Parse(databaseUri, passwordFile));
        await using IndexStore store = new(database, network, 1);
        await store.OpenAsync(cancel).ConfigureAwait(false);
        if (store.Last is not null) throw new IndexException("--database: it holds an index already", "make an empty one: this run fills it with made-up frames");
        using GatewaySource source = new(new Uri(made.Url), null, null, TimeProvider.System);
        using EvidenceFetcher evidence = new([source], Console.Error.WriteLine);
        Indexer indexer = new(new ChainFollower(made, store, 0, Console.Error.WriteLine), evidence, store, TimeProvider.System, TimeSpan.FromSeconds(1), _ => { });
        long began = Stopwatch.GetTimestamp();
        IndexCounts counts = await indexer.RunAsync(once: true, cancel).ConfigureAwait(false);
        double indexed = counts.Frames / Stopwatch.GetElapsedTime(began).TotalSeconds;
        double verified = Verify(made);
        double copied = await FillAsync(database, made, cancel).ConfigureAwait(false);

        using IndexReads reads = new(database, network);
        List<double> pages = [], proofs = [];
        for (int i = 0; i < Questions; i++)
        {
            byte[] device = made.Keys[i % Devices].Id.ToArray();
            long sequence = RandomNumberGenerator.GetInt32(1, Batches * FramesPerBatch / Devices);
            began = Stopwatch.GetTimestamp();
            await reads.FramesAsync(device, SigningTimeMs(sequence), long.MaxValue, (-1, 0), PageFrames, cancel).ConfigureAwait(false);
            pages.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            began = Stopwatch.GetTimestamp();
            _ = await reads.ProveAsync(device, sequence, cancel).ConfigureAwait(false) ?? throw new InvalidOperationException("A frame of the benchmark is not indexed.");
            proofs.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        return new JsonObject
        {
            ["framesPerSecond"] = Math.Round(indexed), ["verifiesPerSecond"] = Math.Round(verified), ["copiesPerSecond"] = Math.Round(copied), ["framesPerBatch"] = FramesPerBatch,
            ["rows"] = RowsTotal, ["pageFrames"] = PageFrames, ["pageP50Ms"] = At(pages, 0.5), ["pageP99Ms"] = At(pages, 0.99), ["proofP50Ms"] = At(proofs, 0.5), ["proofP99Ms"] = At(proofs, 0.99),
        };
    }

    /// <summary>P-256 alone, on all cores, each device's key imported once.</summary>
    private static double Verify(MadeUpNetwork made)
    {
        ReadOnlyMemory<byte>[] frames = [.. Enumerable.Range(0, made.Bodies[0].Count).Select(i => made.Bodies[0][i])];
        long began = Stopwatch.GetTimestamp();
        Parallel.ForEach(frames.GroupBy(frame => FrameSpans.Key(frame.Span).Device), group =>
        {
            byte[] point = made.Keys.First(device => device.Id.ToArray().AsSpan().SequenceEqual(group.Key.ToArray())).PublicKey;
            using ECDsa key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = point[..32], Y = point[32..] } });
            foreach (ReadOnlyMemory<byte> frame in group)
            {
                if (!key.VerifyData(frame.Span[..^64], frame.Span[^64..], HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)) throw new InvalidOperationException("A frame of the benchmark does not verify.");
            }
        });
        return frames.Length / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    /// <summary>COPY alone, until the table has a million frames: the same ones under made-up anchors, so that every index grows as it would.</summary>
    private static async Task<double> FillAsync(NpgsqlDataSource database, MadeUpNetwork made, CancellationToken cancel)
    {
        int anchors = RowsTotal / FramesPerBatch - Batches;
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel).ConfigureAwait(false);
        await using (NpgsqlCommand more = new($"""
            INSERT INTO depin.anchors SELECT {Batches} + g, a.epoch + {Batches} + g, a.hash, a.previous, a.root, a.batches, a.frames, a.block, a.block_hash, a.transaction, true
            FROM generate_series(0, {anchors - 1}) g JOIN depin.anchors a ON a.ordinal = g % {Batches};
            INSERT INTO depin.batches SELECT {Batches} + g, b.position, b.gateway, b.number, b.hash, b.header, b.frames, b.frames_hash, true
            FROM generate_series(0, {anchors - 1}) g JOIN depin.batches b ON b.ordinal = g % {Batches};
            """, connection)) await more.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
        BatchWork first = new(0, Hash32.Zero, 0, 0, made.Headers[0], made.Bodies[0].FramesHash());
        long began = Stopwatch.GetTimestamp();
        for (int i = 0; i < anchors; i += 16)
        {
            await IndexStore.CopyFramesAsync(connection, Enumerable.Range(i, Math.Min(16, anchors - i)).Select(g => new CheckedBatch(first with { Ordinal = (ulong)(Batches + g) }, made.Bodies[g % Batches])), cancel).ConfigureAwait(false);
        }

        double rate = anchors * FramesPerBatch / Stopwatch.GetElapsedTime(began).TotalSeconds;
        await using NpgsqlCommand analyse = new("ANALYZE depin.frames; ANALYZE depin.anchors; ANALYZE depin.batches", connection);
        await analyse.ExecuteNonQueryAsync(cancel).ConfigureAwait(false);
        return rate;
    }

    private static long SigningTimeMs(long sequence) => 1_700_000_000_000 + sequence;

    private static double At(List<double> times, double share)
    {
        times.Sort();
        return Math.Round(times[(int)((times.Count - 1) * share)], 2);
    }

    private static Address Named(byte last) => new([.. new byte[Address.Bytes - 1], last]);

    /// <summary>Devices, signed batches, the chain that anchors one in each block, and the paths of a gateway that serve them.</summary>
    private sealed class MadeUpNetwork : IChainReader, IDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly List<ChainEvent> _events = [];
        private readonly Dictionary<string, byte[]> _answers = [];

        public MadeUpNetwork(int devices, int batches, int framesPerBatch, int samples)
        {
            Keys = [.. Enumerable.Range(0, devices).Select(_ => new SigningDevice())];
            foreach (SigningDevice device in Keys) _events.Add(new DeviceRegistered(1, (uint)_events.Count, device.Id, device.PublicKey, 1, Named(9), 1));
            (Hash32 batchBefore, Hash32 anchorBefore) = (Hash32.Zero, Hash32.Zero);
            for (int i = 0; i < batches; i++)
            {
                BatchBody body = BatchBody.Encode(Enumerable.Range(0, framesPerBatch).Select(frame => (ReadOnlyMemory<byte>)Keys[frame % devices].Next(samples)));
                BatchHeader header = body.ToHeader(Named(4), (ulong)i + 1, batchBefore, 1, 2);
                (AnchorHeader anchor, _) = AnchorHeader.Build((ulong)i + 1, anchorBefore, [header]);
                (batchBefore, anchorBefore) = (header.Hash(), anchor.Hash());
                _events.Add(new LedgerAppended((ulong)i + 2, 0, (ulong)i, anchor, BlockHash((ulong)i)));
                Bodies.Add(body);
                Headers.Add(header);
                Hash32 frames = body.FramesHash();
                _answers[$"/api/bodies/{frames}"] = body.Bytes.ToArray();
                _answers[$"/api/anchors/{i}/batches"] = JsonSerializer.SerializeToUtf8Bytes(new JsonObject
                {
                    ["ordinal"] = i, ["anchor"] = anchorBefore.ToString(), ["next"] = null,
                    ["batches"] = new JsonArray(new JsonObject
                    {
                        ["gateway"] = header.Gateway.ToString(), ["number"] = header.Number, ["previous"] = header.Previous.ToString(), ["root"] = header.Root.ToString(), ["frames"] = header.Frames,
                        ["samples"] = header.Samples, ["firstReceivedMs"] = header.FirstReceivedMs, ["lastReceivedMs"] = header.LastReceivedMs, ["body"] = header.Body.ToString(),
                        ["framesHash"] = frames.ToString(), ["spansHash"] = FrameSpans.Of(body)!.Hash().ToString(), ["attestations"] = new JsonArray(),
                    }),
                });
            }

            Url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Up.Programs.FreePort()}");
            _listener.Prefixes.Add(Url + "/");
            _listener.Start();
            _ = Task.Run(ServeAsync);
        }

        public string Url { get; }

        public List<BatchBody> Bodies { get; } = [];

        public List<BatchHeader> Headers { get; } = [];

        public SigningDevice[] Keys { get; }

        private BlockMark Head => new((ulong)Bodies.Count + 1, BlockHash((ulong)Bodies.Count + 1), 1);

        public Task CheckAsync(CancellationToken stopping) => Task.CompletedTask;

        public Task<BlockMark> HeadAsync(CancellationToken stopping) => Task.FromResult(Head);

        public Task<BlockMark?> BlockAsync(ulong number, CancellationToken stopping) => Task.FromResult(number <= Head.Number ? new BlockMark(number, BlockHash(number), 1) : null);

        public Task<ulong> TimeAsync(BlockMark head, CancellationToken stopping) => Task.FromResult(head.TimeS);

        public Task<IReadOnlyList<ChainEvent>> EventsAsync(ulong from, ulong to, CancellationToken stopping) =>
            Task.FromResult<IReadOnlyList<ChainEvent>>([.. _events.Where(happened => happened.Block >= from && happened.Block <= to)]);

        public Task<RegisteredDevice?> DeviceAsync(DeviceIdValue device, CancellationToken stopping) => Task.FromResult<RegisteredDevice?>(null);

        public void Dispose()
        {
            _listener.Close();
            foreach (SigningDevice device in Keys) device.Dispose();
        }

        private static Hash32 BlockHash(ulong number) => EthereumCrypto.Keccak256(BitConverter.GetBytes(number));

        private async Task ServeAsync()
        {
            while (_listener.IsListening)
            {
                try
                {
                    HttpListenerContext context = await _listener.GetContextAsync().ConfigureAwait(false);
                    byte[] answer = _answers[context.Request.Url!.AbsolutePath];
                    context.Response.ContentLength64 = answer.Length;
                    await context.Response.OutputStream.WriteAsync(answer).ConfigureAwait(false);
                    context.Response.Close();
                }
                catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException or IOException)
                {
                    // Closed at the end of the run.
                }
            }
        }
    }
}
