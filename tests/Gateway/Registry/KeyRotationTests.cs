using DePIN.Evidence;
using DePIN.Gateway.Tests.Anchor;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Tests.Registry;

/// <summary>A device changes its key: on a real registry, at the verifier, and back with a reorganisation.</summary>
internal sealed class KeyRotationTests
{
    [Test]
    public async Task A_change_of_key_is_followed_across_a_restart_and_taken_back_by_a_reorganisation()
    {
        await using TestNetwork network = await TestNetwork.StartAsync();
        TestDevice device = new(1), second = new(2), third = new(3);
        await network.RegisterAsync(device);
        await network.RotateAsync(device, device, second);
        using (ChainSide side = new(network))
        {
            await side.ReadAsync();
            Assert.That(Keys(side.Fed[Id(device)]), Is.EqualTo(new[] { second.PublicKey, device.PublicKey }), "the present one first");
        }

        using ChainSide again = new(network);
        Assert.That(Keys(again.RegistryLog.Device(Id(device))!), Is.EqualTo(new[] { second.PublicKey, device.PublicKey }), "before the first poll");
        await network.Node.MineAsync(3);
        await again.ReadAsync();
        await network.RotateAsync(device, second, third, 1);
        await again.ReadAsync();
        Assert.That(Keys(again.Fed[Id(device)]), Is.EqualTo(new[] { third.PublicKey, device.PublicKey, second.PublicKey }));
        Assert.That(Keys((await again.Reader.DeviceAsync(Id(device), CancellationToken.None))!), Is.EqualTo(new[] { third.PublicKey, device.PublicKey, second.PublicKey }), "the chain says the same when it is asked");
        Assert.That((await again.Registry.KeysNowAsync(new Address(device.Id), CancellationToken.None)).Select(key => key.ToArray()), Is.EqualTo(new[] { third.PublicKey, device.PublicKey, second.PublicKey }));

        await network.Node.ReorganiseAsync(2);
        await network.DropPoolAsync();
        await again.ReadAsync();
        await again.ReadAsync();
        Assert.That(Keys(again.Fed[Id(device)]), Is.EqualTo(new[] { second.PublicKey, device.PublicKey }));
    }

    [Test]
    public async Task Frames_are_taken_by_the_key_of_now_and_what_was_taken_stays()
    {
        using Pipeline pipeline = new();
        TestDevice device = new(1), next = new(2), other = new(3);
        RegisteredDevice registered = new(Id(device), device.PublicKey, 1, new byte[20], 1, 0), rotated = registered with { PublicKey = next.PublicKey, FormerKeys = [device.PublicKey] };
        Assert.That(await pipeline.Devices.PutAsync(registered), Is.True);
        Assert.That(await SubmitAsync(device.NextFrame()), Is.EqualTo(FrameVerdict.Accepted));

        Assert.That(await pipeline.Devices.PutAsync(rotated), Is.True);
        Assert.That(pipeline.Devices.KeysOf(new Address(device.Id)).Select(key => key.ToArray()), Is.EqualTo(new[] { next.PublicKey, device.PublicKey }), "peers' older batches are judged by both");
        TestDevice thief = new(1);
        thief.NextFrame();
        Assert.That(await SubmitAsync(thief.NextFrame()), Is.EqualTo(FrameVerdict.BadSignature), "the old key signs nothing new");
        Assert.That(await SubmitAsync(device.NextFrame(next.Signer)), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(await SubmitAsync(device.NextFrame(next.Signer)), Is.EqualTo(FrameVerdict.Accepted));

        pipeline.Restart();
        Assert.That(await SubmitAsync(device.NextFrame(next.Signer)), Is.EqualTo(FrameVerdict.Accepted), "the store keeps the new key");
        Assert.That(await pipeline.Devices.PutAsync(registered), Is.True, "a reorganisation takes it back");
        Assert.That(await SubmitAsync(device.NextFrame()), Is.EqualTo(FrameVerdict.Accepted));
        Assert.That(await pipeline.Devices.PutAsync(registered with { PublicKey = next.PublicKey, FormerKeys = [other.PublicKey] }), Is.False, "the first key must be the id's");

        Task<FrameVerdict> SubmitAsync(byte[] frame) => pipeline.Verifier.SubmitAsync(device.Id, frame, default).AsTask();
    }

    private static DeviceIdValue Id(TestDevice device) => new(device.Id);

    private static IEnumerable<byte[]> Keys(RegisteredDevice device) => device.Keys.Select(key => key.ToArray());
}
