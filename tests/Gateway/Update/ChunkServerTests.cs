using DePIN.Gateway.Ingest;
using DePIN.Gateway.Update;
using DePIN.Gateway.Verify;
using DePIN.Protocol;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Update;

/// <summary>Rates, under a clock that the test moves.</summary>
internal sealed class ChunkServerTests : IUpdateReceiver
{
    private readonly Dictionary<string, int> _received = [];

    public void SendChunk(string deviceIdText, byte[] chunk) => _received[deviceIdText] = _received.GetValueOrDefault(deviceIdText) + chunk.Length;

    [Test]
    public void A_greedy_node_gets_its_rate_and_the_others_theirs()
    {
        const int Rate = 10 * 1_039;
        using Operator operators = new();
        using UpdateMetrics metrics = new();
        ManualTimeProvider time = new();
        UpdatePackage package = operators.Pack(2);
        DeviceIdValue greedy = Device(1), modest = Device(2);
        ChunkServer server = new(new ChunkRates(Rate, 100 * Rate), metrics, time);
        server.Use(new Dictionary<DeviceIdValue, UpdatePackage> { [greedy] = package, [modest] = package });
        byte[] request = Request(package, 900);
        for (int ms = 0; ms < 10_000; ms += 20)
        {
            server.Get(greedy, request, this); // fifty a second
            if (ms % 1_000 == 0) server.Get(modest, request, this);
            time.Advance(TimeSpan.FromMilliseconds(20));
            server.SendDue();
        }

        int size = UpdateChunk.HeaderBytes + 900;
        Assert.That(_received[greedy.ToString()], Is.InRange(9 * Rate, (10 * Rate) + (Rate / 4) + (2 * size)), "ten seconds and the burst");
        Assert.That(_received[modest.ToString()], Is.EqualTo(10 * size), "never in the other's way");
    }

    [Test]
    public void Beyond_what_can_wait_requests_are_dropped_and_counted()
    {
        using Operator operators = new();
        using UpdateMetrics metrics = new();
        UpdatePackage package = operators.Pack(2);
        DeviceIdValue[] devices = [.. Enumerable.Range(1, 500).Select(Device)];
        ChunkServer server = new(new ChunkRates(1 << 20, 20_000), metrics, new ManualTimeProvider());
        server.Use(devices.ToDictionary(d => d, _ => package));
        foreach (DeviceIdValue device in devices) server.Get(device, Request(package, 985), this);
        Assert.That(metrics.Chunks, Is.InRange(5, 6), "the burst of a quarter of a second");
        Assert.That(metrics.Refused(UpdateRefusal.Busy), Is.InRange(390, 396), "five seconds of work wait, the rest asks again");
    }

    [Test]
    public void An_offer_that_goes_while_a_request_waits_is_not_served()
    {
        using Operator operators = new();
        using UpdateMetrics metrics = new();
        ManualTimeProvider time = new();
        UpdatePackage package = operators.Pack(2);
        ChunkServer server = new(new ChunkRates(1_000, 1 << 20), metrics, time);
        server.Use(new Dictionary<DeviceIdValue, UpdatePackage> { [Device(1)] = package });
        server.Get(Device(1), Request(package, 900), this);
        server.Get(Device(1), Request(package, 900), this);
        Assert.That(metrics.Chunks, Is.EqualTo(1));
        server.Use(new Dictionary<DeviceIdValue, UpdatePackage>());
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.That(server.SendDue(), Is.Null);
        Assert.That(metrics.Refused(UpdateRefusal.NoOffer), Is.EqualTo(1));
        Assert.That(metrics.Chunks, Is.EqualTo(1));
    }

    private static DeviceIdValue Device(int number)
    {
        byte[] id = new byte[20];
        BitConverter.TryWriteBytes(id, number);
        return new DeviceIdValue(id);
    }

    private static byte[] Request(UpdatePackage package, ushort count)
    {
        byte[] request = new byte[UpdateGet.Bytes];
        UpdateGet.Write(package.Hash, 0, 0, count, request, 0);
        return request;
    }
}
