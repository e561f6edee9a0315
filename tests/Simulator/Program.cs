using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DePIN.Simulator;

// Deterministic simulation of the network of gateways: dotnet run -c Release --project tests/Simulator -- --seeds 1000
return Commands.Run(args, Console.Out);

namespace DePIN.Simulator
{
    /// <summary>The command line.</summary>
    internal static class Commands
    {
        private const string Usage = """
            usage: --seeds N [--seed FIRST] [--threads T] [--json]   runs N seeds from FIRST (1)
                   --seed S [--trace]                                replays one seed; --trace prints every event
                   --scale [--gateways N] [--json]                   measures large networks without faults
            """;

        public static int Run(string[] args, TextWriter output)
        {
            Dictionary<string, string> options = [];
            for (int i = 0; i < args.Length; i++)
            {
                if (!args[i].StartsWith("--", StringComparison.Ordinal)) return Fail();
                bool hasValue = i + 1 < args.Length && !args[i + 1].StartsWith("--", StringComparison.Ordinal);
                options[args[i][2..]] = hasValue ? args[++i] : "";
            }

            bool json = options.ContainsKey("json");
            if (options.ContainsKey("scale")) return Scale.Run(options.TryGetValue("gateways", out string? only) ? [int.Parse(only, CultureInfo.InvariantCulture)] : Scale.Sizes, json, output);
            ulong first = Number("seed", 1);
            int seeds = (int)Number("seeds", options.ContainsKey("seed") ? 1UL : 1_000);
            int threads = (int)Number("threads", (ulong)Environment.ProcessorCount);
            if (options.Keys.Except(["seeds", "seed", "threads", "json", "trace", "mutation"]).Any()) return Fail();
            Mutation mutation = options.TryGetValue("mutation", out string? name) ? Enum.Parse<Mutation>(name) : Mutation.None;
            Action<string>? listen = options.ContainsKey("trace") && seeds == 1 ? output.WriteLine : null;
            Stopwatch watch = Stopwatch.StartNew();
            Totals totals = Totals.Of(first, seeds, threads, mutation, listen);
            double seconds = watch.Elapsed.TotalSeconds;
            if (json) output.WriteLine(totals.ToJson(seconds));
            else totals.Print(output, seconds);
            return totals.Failed.Count == 0 ? 0 : 1;

            ulong Number(string option, ulong otherwise) => options.TryGetValue(option, out string? text) ? ulong.Parse(text, CultureInfo.InvariantCulture) : otherwise;

            int Fail()
            {
                output.WriteLine(Usage);
                return 2;
            }
        }
    }

    /// <summary>What came of many seeds. Seeds are independent, so they run in parallel.</summary>
    internal sealed class Totals
    {
        /// <summary>Failing seeds printed with their trace.</summary>
        private const int Printed = 3;

        public List<SimulationResult> Failed { get; } = [];

        public int Seeds { get; private set; }

        public long[] Faults { get; } = new long[Enum.GetValues<FaultKind>().Length];

        public long[] Hostile { get; } = new long[Enum.GetValues<HostileKind>().Length];

        public long Steps { get; private set; }

        public long Epochs { get; private set; }

        public long Anchors { get; private set; }

        public long Messages { get; private set; }

        public long Frames { get; private set; }

        public ulong TraceHash { get; private set; }

        public static Totals Of(ulong first, int seeds, int threads, Mutation mutation = Mutation.None, Action<string>? listen = null, int stopAfter = int.MaxValue)
        {
            Totals totals = new();
            Lock gate = new();
            int next = -1;
            Thread[] workers = [.. Enumerable.Range(0, Math.Max(1, Math.Min(threads, seeds))).Select(_ => new Thread(Work))];
            foreach (Thread worker in workers) worker.Start();
            foreach (Thread worker in workers) worker.Join();
            totals.Failed.Sort((a, b) => a.Seed.CompareTo(b.Seed));
            return totals;

            void Work()
            {
                while (Interlocked.Increment(ref next) is var i && i < seeds)
                {
                    SimulationResult result = Simulation.Run(first + (ulong)i, mutation, listen);
                    lock (gate)
                    {
                        totals.Add(result);
                        if (totals.Failed.Count >= stopAfter) return;
                    }
                }
            }
        }

        public void Print(TextWriter output, double seconds)
        {
            foreach (SimulationResult failed in Failed.Take(Printed))
            {
                output.WriteLine($"seed {failed.Seed} FAILED: {failed.Violation!.Invariant}");
                output.WriteLine(failed.Violation.Detail);
                output.WriteLine($"replay: dotnet run -c Release --project tests/Simulator -- --seed {failed.Seed}");
                output.WriteLine($"the last {failed.Trace.Count} events:");
                foreach (string line in failed.Trace) output.WriteLine($"  {line}");
                output.WriteLine();
            }

            foreach (IGrouping<string, SimulationResult> group in Failed.GroupBy(f => f.Violation!.Invariant))
                output.WriteLine($"{group.Count()} x {group.Key}: seeds {string.Join(' ', group.Take(20).Select(f => f.Seed))}");
            output.WriteLine($"{Seeds} seeds, {Failed.Count} failed, {seconds:F1} s ({Seeds / seconds:F1} a second), {Steps} steps, {Epochs} epochs, {Anchors} anchors, {Messages} messages, {Frames} frames acknowledged");
            output.WriteLine($"faults: {string.Join(", ", Enum.GetValues<FaultKind>().Select(k => $"{k} {Faults[(int)k]}"))}");
            output.WriteLine($"hostile: {string.Join(", ", Enum.GetValues<HostileKind>().Select(k => $"{k} {Hostile[(int)k]}"))}");
        }

        public string ToJson(double seconds)
        {
            using MemoryStream stream = new();
            using (Utf8JsonWriter json = new(stream))
            {
                json.WriteStartObject();
                json.WriteNumber("seeds", Seeds);
                json.WriteNumber("failed", Failed.Count);
                json.WriteStartArray("failedSeeds");
                foreach (SimulationResult failed in Failed) json.WriteNumberValue(failed.Seed);
                json.WriteEndArray();
                json.WriteNumber("seconds", Math.Round(seconds, 1));
                json.WriteNumber("steps", Steps);
                json.WriteNumber("epochs", Epochs);
                json.WriteNumber("anchors", Anchors);
                json.WriteNumber("messages", Messages);
                json.WriteNumber("framesAcknowledged", Frames);
                json.WriteString("traceHash", TraceHash.ToString("x16", CultureInfo.InvariantCulture));
                json.WriteStartObject("faults");
                foreach (FaultKind kind in Enum.GetValues<FaultKind>()) json.WriteNumber(Camel(kind.ToString()), Faults[(int)kind]);
                json.WriteEndObject();
                json.WriteStartObject("hostile");
                foreach (HostileKind kind in Enum.GetValues<HostileKind>()) json.WriteNumber(Camel(kind.ToString()), Hostile[(int)kind]);
                json.WriteEndObject();
                json.WriteEndObject();
            }

            return System.Text.Encoding.UTF8.GetString(stream.ToArray());
        }

        private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];

        private void Add(SimulationResult result)
        {
            Seeds++;
            if (result.Violation is not null) Failed.Add(result);
            for (int i = 0; i < Faults.Length; i++) Faults[i] += result.Faults[i];
            for (int i = 0; i < Hostile.Length; i++) Hostile[i] += result.Hostile[i];
            Steps += result.Steps;
            Epochs += (long)result.Epochs;
            Anchors += result.Anchors;
            Messages += result.Messages;
            Frames += result.FramesAcknowledged;
            TraceHash ^= Prng.Mix(result.TraceHash ^ result.Seed); // whatever the order
        }
    }
}
