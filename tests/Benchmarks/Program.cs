using BenchmarkDotNet.Running;
using DePIN.Benchmarks;

// Single operations, by hand: dotnet run -c Release --project tests/Benchmarks -- --filter '*'. Whole ways: depin bench.
BenchmarkSwitcher.FromAssembly(typeof(FrameBenchmarks).Assembly).Run(args);
