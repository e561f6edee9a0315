using System.Globalization;
using System.Text.Json;
using DePIN.Evidence;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>
/// Large networks without faults: what a gateway sends in an epoch, and how long a frame and a batch take to the ledger. Batches are cut by age, as the
/// gateway's batcher does (<see cref="NetworkRules.BatchAgeLeastMs"/>).
/// </summary>
internal static class Scale
{
    /// <summary>Gateways in the networks measured.</summary>
    public static readonly int[] Sizes = [16, 64, 256, 1_024];

    /// <summary>Devices of one gateway.</summary>
    public const int DevicesPerGateway = 8;

    /// <summary>Frames of one device in an epoch.</summary>
    public const int FramesPerDevice = 4;

    /// <summary>Bytes of a frame: five readable samples.</summary>
    public const int FrameBytes = 224;

    /// <summary>Length of an epoch, seconds.</summary>
    public const int EpochSeconds = 60;

    /// <summary>Age at which a batch is cut in a small network, ms: the gateway's default.</summary>
    public const int BatchAgeMs = 30_000;

    /// <summary>Epochs measured at least; in a large network as many as a gateway collects for.</summary>
    public const int EpochsLeast = 2;

    public static int Run(IReadOnlyList<int> sizes, bool json, TextWriter output)
    {
        List<Figures> all = [];
        foreach (int size in sizes)
        {
            Figures figures = Measure(size);
            all.Add(figures);
            if (!json) figures.Print(output);
        }

        if (json) output.WriteLine(ToJson(all));
        return 0;
    }

    public static Figures Measure(int gateways)
    {
        long ageMs = Math.Max(BatchAgeMs, new NetworkRules(default, new Eip712Domain(1, default)).BatchAgeLeastMs(gateways, EpochSeconds));
        int cycle = (int)Math.Ceiling(ageMs / 1000.0 / EpochSeconds);
        int epochs = Math.Max(EpochsLeast, cycle);
        Scenario scenario = new()
        {
            Seed = 1, Gateways = gateways, Initial = gateways, Devices = 0, EpochSeconds = EpochSeconds, LeaderTimeoutS = 15, BlockMs = 5_000,
            TickMs = 1_000, BatchFrames = 4_096, BatchAgeMs = ageMs, MeasuresBytes = true, Crashes = false, FrameBytes = FrameBytes,
        };
        Simulation simulation = new(scenario);
        simulation.SupplyFrames(DevicesPerGateway, FramesPerDevice, cycle);
        simulation.Begin();
        Run((1 + cycle) * EpochSeconds * 1_000); // all have begun
        SimulatedNetwork network = simulation.Network;
        (long messages, long messageBytes, long bodyBytes) = (network.Messages, network.MessageBytes, network.BodyBytes);
        Dictionary<string, (long Count, long Bytes)> before = new(network.ByKind);
        simulation.Checks.LatenciesMs.Clear();
        simulation.Checks.FrameLatenciesMs.Clear();
        Run((1 + cycle + epochs) * EpochSeconds * 1_000);
        double perGatewayEpoch = (double)gateways * epochs;
        List<long> latencies = [.. simulation.Checks.LatenciesMs.Order()], frames = [.. simulation.Checks.FrameLatenciesMs.Order()];
        return new Figures(gateways, (network.MessageBytes - messageBytes + network.BodyBytes - bodyBytes) / perGatewayEpoch, (network.BodyBytes - bodyBytes) / perGatewayEpoch,
            (network.MessageBytes - messageBytes) / perGatewayEpoch, (network.Messages - messages) / perGatewayEpoch, At(latencies, 0.5), At(latencies, 0.99), At(frames, 0.5), At(frames, 0.99), latencies.Count,
            [.. network.ByKind.Select(k => (k.Key, (k.Value.Count - before.GetValueOrDefault(k.Key).Count) / perGatewayEpoch, (k.Value.Bytes - before.GetValueOrDefault(k.Key).Bytes) / perGatewayEpoch))]);

        static long At(List<long> sorted, double part) => sorted.Count == 0 ? -1 : sorted[(int)(part * (sorted.Count - 1))];

        void Run(long untilMs)
        {
            while (simulation.World.NowMs < untilMs && simulation.World.Step()) { }
        }
    }

    private static string ToJson(List<Figures> all)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteNumber("devicesPerGateway", DevicesPerGateway);
            json.WriteNumber("framesPerDevice", FramesPerDevice);
            json.WriteNumber("frameBytes", FrameBytes);
            json.WriteNumber("epochSeconds", EpochSeconds);
            json.WriteStartArray("scale");
            foreach (Figures f in all)
            {
                json.WriteStartObject();
                json.WriteNumber("gateways", f.Gateways);
                json.WriteNumber("bytesPerGatewayEpoch", Math.Round(f.Bytes));
                json.WriteNumber("bodyBytes", Math.Round(f.BodyBytes));
                json.WriteNumber("messageBytes", Math.Round(f.MessageBytes));
                json.WriteNumber("messagesPerGatewayEpoch", Math.Round(f.Messages, 1));
                json.WriteNumber("anchorP50Ms", f.P50Ms);
                json.WriteNumber("anchorP99Ms", f.P99Ms);
                json.WriteNumber("frameAnchorP50Ms", f.FrameP50Ms);
                json.WriteNumber("frameAnchorP99Ms", f.FrameP99Ms);
                json.WriteNumber("anchoredBatches", f.Anchored);
                json.WriteStartObject("bytesByKind");
                foreach ((string kind, _, double bytes) in f.Kinds) json.WriteNumber(kind, Math.Round(bytes));
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>What a gateway sends in an epoch, on average, and the time to the ledger from a batch's cut, and from a frame's arrival.</summary>
    internal sealed record Figures(int Gateways, double Bytes, double BodyBytes, double MessageBytes, double Messages, long P50Ms, long P99Ms,
        long FrameP50Ms, long FrameP99Ms, int Anchored,
        IReadOnlyList<(string Kind, double Count, double Bytes)> Kinds)
    {
        public void Print(TextWriter output)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{Gateways} gateways: {Bytes / 1024:F1} KiB a gateway and epoch (bodies {BodyBytes / 1024:F1}, messages {MessageBytes / 1024:F1} KiB in {Messages:F0}), cut to ledger p50 {P50Ms / 1000.0:F1} s, p99 {P99Ms / 1000.0:F1} s, frame to ledger p50 {FrameP50Ms / 1000.0:F1} s, p99 {FrameP99Ms / 1000.0:F1} s, {Anchored} batches anchored"));
            foreach ((string kind, double count, double bytes) in Kinds.OrderByDescending(k => k.Bytes))
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {kind,-22} {count,10:F1} {bytes / 1024,12:F2} KiB"));
        }
    }
}
