using System.Text.Json;
using BenchmarkDotNet.Running;
using DePIN.Benchmarks;
using DePIN.Cli.Bench;

// ingest | batch: the load benchmarks, one line of JSON. Anything else: BenchmarkDotNet (--filter '*').
switch (args)
{
    case ["ingest-host", string database]:
        return await IngestHost.RunAsync(database, Console.In, Console.Out);
    case ["ingest", .. string[] rest]:
        IngestBenchOptions options = new() { HostCommand = ["dotnet", "exec", typeof(IngestBench).Assembly.Location, "ingest-host"] };
        if (rest is [string rounds, ..])
            options = options with { Rounds = int.Parse(rounds, System.Globalization.CultureInfo.InvariantCulture) };
        Console.WriteLine(JsonSerializer.Serialize(await new IngestBench(options).RunAsync()));
        return 0;
    case ["batch"]:
        Console.WriteLine(JsonSerializer.Serialize(await new BatchBench(new BatchBenchOptions()).RunAsync()));
        return 0;
    default:
        BenchmarkSwitcher.FromAssembly(typeof(FrameBenchmarks).Assembly).Run(args);
        return 0;
}
