// What the firmware takes of a board: its code's size, and its live objects while it is connected with TLS.

using DePIN.BoardCost;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace DePIN.Firmware.Tests.Cost;

[TestFixture]
public sealed class BoardCostTests
{
    /// <summary>Made by Program.Start and let go once the key is open.</summary>
    private static readonly Type[] LetGo = [typeof(HardwareEntropy)];

    private static readonly Lazy<Task<HeapCost>> Heap = new(() => HeapCost.MeasureAsync(CancellationToken.None));

    [Test]
    public void The_firmwares_own_code_stays_below_its_share_of_the_flash()
    {
        FirmwareSize size = FirmwareSize.Measure();
        TestContext.Out.WriteLine($"{size.Bytes:N0} bytes, target {FirmwareSize.BytesTarget:N0}: {size}");
        foreach ((string part, int bytes) in size.Parts)
        {
            TestContext.Out.WriteLine($"{bytes,8:N0} {part}");
        }

        Assert.Multiple(() =>
        {
            Assert.That(size.Bytes, Is.LessThanOrEqualTo(FirmwareSize.BytesMax));
            Assert.That(new[] { size.Code, size.Data, size.Rows, size.Strings, size.Signatures }, Has.All.Positive, "every part was found");
        });
    }

    [Test]
    public async Task The_firmwares_live_objects_stay_below_their_share_of_the_heap_while_it_is_connected_with_TLS()
    {
        HeapCost heap = await Heap.Value;
        TestContext.Out.WriteLine($"{heap.Bytes:N0} bytes:");
        foreach ((string owner, int bytes) in heap.Shares.Take(20))
        {
            TestContext.Out.WriteLine($"{bytes,8:N0} {owner}");
        }

        Assert.Multiple(() =>
        {
            Assert.That(heap.Acknowledged, Is.Positive, "frames arrived over TLS");
            Assert.That(heap.Bytes, Is.LessThanOrEqualTo(HeapCost.BytesMax));
        });
    }

    [Test]
    public async Task Every_part_that_the_node_starts_with_is_among_the_counted_objects()
    {
        HeapCost heap = await Heap.Value;
        using AssemblyDefinition firmware = AssemblyDefinition.ReadAssembly(typeof(Program).Assembly.Location);
        MethodDefinition start = firmware.MainModule.GetType(typeof(Program).FullName).Methods.Single(method => method.Name == nameof(Program.Start) && method.IsPrivate);
        string[] parts =
        [
            .. start.Body.Instructions.Select(instruction => instruction.Operand).OfType<MethodReference>()
                .Select(called => called.Name == ".ctor" ? called.DeclaringType : called.ReturnType)
                .Where(type => type.Scope == firmware.MainModule && type.Resolve() is { IsClass: true, IsValueType: false } && !type.Name.Contains('<', StringComparison.Ordinal))
                .Select(type => type.FullName).Distinct(),
        ];

        Assert.That(parts, Has.Length.GreaterThan(12), "they were found");
        Assert.That(parts.Except(LetGo.Select(type => type.FullName)), Is.SubsetOf(heap.Types.Select(type => type.FullName)));
    }

    [Test]
    public void The_walk_counts_blocks_as_the_runtime_lays_them_out()
    {
        HeapWalk walk = new();
        SampleSet samples = new();
        walk.Add(samples, "test");
        walk.Add(samples, "again");

        // Six fields; arrays of 64 ushort, sbyte, byte, and twice long: 20 bytes and the elements, rounded up to 12.
        Assert.That(walk.Bytes, Is.EqualTo((12 + (6 * 12)) + 156 + 84 + 84 + 540 + 540), "once");
        int before = walk.Bytes;
        walk.Add("grüß", "text");
        Assert.That(walk.Bytes - before, Is.EqualTo(24), "12 bytes, six of UTF-8 and a zero");
    }
}
