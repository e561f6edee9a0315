using DePIN.BoardCost;
using DePIN.Firmware.Board;
using DePIN.Firmware.Update;
using Mono.Cecil;

namespace DePIN.Firmware.Tests.Update;

/// <summary>
/// Which drives hold two slots. The size of a slot is BoardCost's; the tables that the runtime makes of an assembly in memory are counted here
/// (nf-interpreter, nanoCLR_Runtime.h: cross references by record, static fields), an estimate.
/// </summary>
[TestFixture]
public sealed class SlotSizeTests
{
    private const int ReferenceBytes = 4;
    private const int TypeBytes = 8;
    private const int MemberBytes = 2;
    private const int StaticFieldBytes = 12;

    [Test]
    public void What_a_slot_takes_is_what_the_loaders_README_says()
    {
        int flash = FirmwareSize.Measure().Bytes;
        int memory = Tables();
        TestContext.Out.WriteLine($"firmware as a slot: {flash:N0} bytes on flash, {memory:N0} of tables in memory, {flash + memory:N0} in all");
        const int Smallest = 262_144;
        int slots = 2 * Blocks(flash);
        int others = OfferJudge.DriveReserveBytes + (4 * OfferJudge.BlockBytes) + (10 * OfferJudge.BlockBytes);
        TestContext.Out.WriteLine($"two slots {slots:N0}, ring of 24,000 and all else {Blocks(24_000) + others:N0}; of {Smallest:N0}");
        Assert.Multiple(() =>
        {
            Assert.That(flash, Is.EqualTo(165_000).Within(2_000), "else the READMEs of Loader and BoardCost need another figure");
            Assert.That(memory, Is.EqualTo(8_000).Within(500));
            Assert.That(memory, Is.LessThan(flash / 4), "OfferJudge counts a quarter");
            Assert.That(slots + Blocks(24_000) + others, Is.GreaterThan(Smallest), "256 KB do not hold two slots and the smallest ring");
            Assert.That(slots + Blocks(98_304) + others, Is.LessThan(1 << 20), "2 MB do");
            Assert.That(BoardPins.DriveBytes, Is.EqualTo(Smallest));
        });
    }

    private static int Blocks(int bytes) => (bytes + OfferJudge.BlockBytes - 1) / OfferJudge.BlockBytes * OfferJudge.BlockBytes;

    private static int Tables()
    {
        int bytes = 0;
        foreach (string file in new[] { "DePIN.Firmware.dll", "DePIN.Protocol.dll" })
        {
            using AssemblyDefinition assembly = AssemblyDefinition.ReadAssembly(Path.Combine(AppContext.BaseDirectory, file));
            ModuleDefinition module = assembly.MainModule;
            FieldDefinition[] fields = [.. module.GetTypes().SelectMany(type => type.Fields).Where(field => !field.HasConstant)];
            bytes += (module.GetTypes().Count() * TypeBytes) + (fields.Length * MemberBytes) + (fields.Count(field => field.IsStatic) * StaticFieldBytes)
                + (module.GetTypes().Sum(type => type.Methods.Count) * MemberBytes)
                + ((module.GetTypeReferences().Count() + module.GetMemberReferences().Count() + module.AssemblyReferences.Count) * ReferenceBytes);
        }

        return bytes;
    }
}
