using System.Globalization;
using System.Text.Json;
using DePIN.Gateway.Peer;

namespace DePIN.Simulator;

/// <summary>
/// Large networks without faults: what a gateway sends in an epoch, and how long a batch takes to the ledger. One batch a gateway and epoch.
/// A thousand gateways in one process need about 10 GB and some minutes.
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

    /// <summary>Epochs measured, after one for the start.</summary>
    public const int Epochs = 2;

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
        Scenario scenario = new()
        {
            Seed = 1, Gateways = gateways, Initial = gateways, Devices = 0, EpochSeconds = EpochSeconds, LeaderTimeoutS = 15, BlockMs = 5_000,
            TickMs = 1_000, BatchFrames = DevicesPerGateway * FramesPerDevice, BatchAgeMs = 10 * EpochSeconds * 1_000, MeasuresBytes = true, Crashes = false, FrameBytes = FrameBytes,
        };
        Simulation simulation = new(scenario);
        simulation.SupplyFrames(DevicesPerGateway, FramesPerDevice);
        simulation.Begin();
        Run(EpochSeconds * 1_000);
        SimulatedNetwork network = simulation.Network;
        (long messages, long messageBytes, long bodyBytes) = (network.Messages, network.MessageBytes, network.BodyBytes);
        Dictionary<string, (long Count, long Bytes)> before = new(network.ByKind);
        simulation.Checks.LatenciesMs.Clear();
        Run((1 + Epochs) * EpochSeconds * 1_000);
        double perGatewayEpoch = (double)gateways * Epochs;
        List<long> latencies = [.. simulation.Checks.LatenciesMs.Order()];
        return new Figures(gateways, (network.MessageBytes - messageBytes + network.BodyBytes - bodyBytes) / perGatewayEpoch, (network.BodyBytes - bodyBytes) / perGatewayEpoch,
            (network.MessageBytes - messageBytes) / perGatewayEpoch, (network.Messages - messages) / perGatewayEpoch, At(0.5), At(0.99), latencies.Count,
            [.. network.ByKind.Select(k => (k.Key, (k.Value.Count - before.GetValueOrDefault(k.Key).Count) / perGatewayEpoch, (k.Value.Bytes - before.GetValueOrDefault(k.Key).Bytes) / perGatewayEpoch))]);

        long At(double part) => latencies.Count == 0 ? -1 : latencies[(int)(part * (latencies.Count - 1))];

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

    /// <summary>What a gateway sends in an epoch, on average, and the time from a batch's cut to the ledger.</summary>
    internal sealed record Figures(int Gateways, double Bytes, double BodyBytes, double MessageBytes, double Messages, long P50Ms, long P99Ms, int Anchored,
        IReadOnlyList<(string Kind, double Count, double Bytes)> Kinds)
    {
        public void Print(TextWriter output)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{Gateways} gateways: {Bytes / 1024:F1} KiB a gateway and epoch (bodies {BodyBytes / 1024:F1}, messages {MessageBytes / 1024:F1} KiB in {Messages:F0}), cut to ledger p50 {P50Ms / 1000.0:F1} s, p99 {P99Ms / 1000.0:F1} s, {Anchored} batches anchored"));
            foreach ((string kind, double count, double bytes) in Kinds.OrderByDescending(k => k.Bytes))
                output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {kind,-22} {count,10:F1} {bytes / 1024,12:F2} KiB"));
        }
    }
}
