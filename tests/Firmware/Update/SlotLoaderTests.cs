using DePIN.Firmware.Keep;
using DePIN.Firmware.Update;
using DePIN.Loader;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using Mono.Cecil;
using Mono.Cecil.Cil;

namespace DePIN.Firmware.Tests.Update;

/// <summary>The loader on simulated flash, with applications of a few instructions that are made here.</summary>
[TestFixture]
public sealed class SlotLoaderTests
{
    private const string Name = "Node.pe";

    [Test]
    public void The_application_gets_its_slot_the_drive_and_the_stop()
    {
        PowerCutFlash flash = Confirmed(0, Application("a"));
        using ManualResetEvent stop = new(false);
        Assert.That(new SlotLoader(flash, "I:\\", stop).Run(), Is.True);
        Assert.That(Told("a"), Is.EqualTo(("a", (object)"I:\\", stop)));
    }

    [Test]
    public void Without_a_record_the_first_good_slot_is_chosen_and_started_at_the_next_boot()
    {
        PowerCutFlash flash = new();
        UpdateBench.Install(flash, 0, 1, (Name, Application("damaged")));
        flash.FlipBit("app-a." + Name, 77);
        UpdateBench.Install(flash, 1, 1, (Name, Application("chosen")));
        Assert.That(Boot(flash), Is.True);
        Assert.That(SlotRecord.Open(flash).Active, Is.EqualTo(1));
        Assert.That(Boot(flash), Is.True);
        Assert.That(Told("chosen").Slot, Is.EqualTo("b"));
    }

    [Test]
    public void With_nothing_good_it_says_so_and_writes_nothing()
    {
        PowerCutFlash flash = new();
        UpdateBench.Install(flash, 0, 1, (Name, Application("none")));
        flash.FlipBit("app-a." + Name, 1);
        int operations = flash.Operations.Count;
        Assert.That(Boot(flash), Is.False);
        Assert.That(flash.Operations, Has.Count.EqualTo(operations));
    }

    [Test]
    public void A_candidate_has_its_starts_and_then_the_old_slot_runs()
    {
        PowerCutFlash flash = Staged(Application("candidate"));
        for (int left = SlotRecord.TriesMax - 1; left >= 0; left--)
        {
            Assert.That(Boot(flash), Is.True);
            Assert.That((SlotRecord.Open(flash).Candidate, SlotRecord.Open(flash).TriesLeft), Is.EqualTo((1, left)));
            Assert.That(Told("candidate").Slot, Is.EqualTo("b"));
        }

        Assert.That(Boot(flash), Is.True);
        AssertBack(flash, UpdateErrors.DidNotStay);
        Assert.That(Told("old").Slot, Is.EqualTo("a"));
    }

    [Test]
    public void A_start_is_counted_on_flash_before_it_is_made()
    {
        PowerCutFlash flash = Staged(Application("counted"));
        PowerCutFlash dying = flash.Survivor(cutAfter: 20);
        Assert.That(() => Boot(dying), Throws.InstanceOf<PowerCutException>());
        Assert.That(Told("counted").Slot, Is.Null, "it was not started");
    }

    [Test]
    public void A_power_cut_at_any_byte_of_the_loader_leaves_a_slot_to_start_and_a_bounded_number_of_tries()
    {
        for (int cut = 1; cut < 400; cut += 7)
        {
            PowerCutFlash flash = Staged(Application("cut"));
            flash = flash.Survivor(cut, TornWrite.Garbage, cut);
            int boots = 0;
            while (SlotRecord.Open(flash).Candidate != SlotFiles.None || boots == 0)
            {
                try
                {
                    Boot(flash);
                }
                catch (PowerCutException)
                {
                    flash = flash.Survivor();
                }

                Assert.That(++boots, Is.LessThanOrEqualTo(SlotRecord.TriesMax + 3), $"cut {cut}");
            }

            AssertBack(flash, UpdateErrors.DidNotStay);
            Assert.That(Boot(flash), Is.True);
        }
    }

    [TestCase("a flipped bit")]
    [TestCase("no assembly")]
    [TestCase("no entry")]
    [TestCase("another manifest")]
    [TestCase("a missing file")]
    public void A_candidate_that_does_not_load_is_given_up_at_once(string how)
    {
        PowerCutFlash flash = Staged(how switch
        {
            "no assembly" => UpdateBench.Content(3000, 1),
            "no entry" => Application("entryless", entry: "Another"),
            _ => Application("unloaded"),
        });
        switch (how)
        {
            case "a flipped bit":
                flash.FlipBit("app-b." + Name, 500);
                break;
            case "another manifest":
                UpdateBench.Install(flash, 1, 9, (Name, Application("unloaded")));
                break;
            case "a missing file":
                flash.Delete("app-b." + Name);
                break;
            default:
                break;
        }

        Assert.That(Boot(flash), Is.True);
        AssertBack(flash, UpdateErrors.DidNotLoad);
        Assert.That(Told("unloaded").Slot, Is.Null);
        Assert.That(Boot(flash), Is.True);
        Assert.That(Told("old").Slot, Is.EqualTo("a"));
    }

    [Test]
    public void A_candidate_that_does_not_confirm_itself_in_its_time_is_stopped_and_given_up()
    {
        PowerCutFlash flash = Staged(Application("slow", waits: true), trySeconds: 1);
        Assert.That(Boot(flash), Is.True);
        AssertBack(flash, UpdateErrors.NotHealthy);
    }

    [Test]
    public void An_active_slot_that_went_bad_gives_way_to_the_other_once_and_not_back_again()
    {
        PowerCutFlash flash = Confirmed(0, Application("old"));
        UpdateBench.Install(flash, 1, 3, (Name, Application("other")));
        flash.FlipBit("app-a." + Name, 3);
        Assert.That(Boot(flash), Is.True);
        Assert.That((SlotRecord.Open(flash).Active, SlotRecord.Open(flash).RefusedRelease), Is.EqualTo((1, 1u)));
        Assert.That(Boot(flash), Is.True);
        Assert.That(Told("other").Slot, Is.EqualTo("b"));
        flash.FlipBit("app-a." + Name, 3);
        flash.FlipBit("app-b." + Name, 3);
        int operations = flash.Operations.Count;
        Assert.That(Boot(flash), Is.False, "what failed is not gone back to, so this cannot go round");
        Assert.That(flash.Operations, Has.Count.EqualTo(operations));
    }

    [Test]
    public void A_damaged_record_is_as_none()
    {
        PowerCutFlash flash = Confirmed(0, Application("a"));
        foreach (string name in flash.List().Where(name => name.StartsWith(SlotRecord.Name + ".", StringComparison.Ordinal)).ToList())
        {
            flash.FlipBit(name, 90);
        }

        Assert.That(SlotRecord.Open(flash).Found, Is.EqualTo(PairState.Damaged));
        Assert.That(Boot(flash), Is.True);
        Assert.That(SlotRecord.Open(flash).Active, Is.Zero);
    }

    private static bool Boot(PowerCutFlash flash)
    {
        using ManualResetEvent stop = new(false);
        return new SlotLoader(flash, "I:\\", stop).Run();
    }

    private static PowerCutFlash Confirmed(int slot, byte[] application)
    {
        PowerCutFlash flash = new();
        UpdateBench.Install(flash, slot, 1, (Name, application));
        SlotRecord.Open(flash).Activate(slot, SlotFiles.HashOf(SlotFiles.ReadManifest(flash, slot)), UpdateStates.Idle);
        return flash;
    }

    private static PowerCutFlash Staged(byte[] application, int trySeconds = 60)
    {
        PowerCutFlash flash = Confirmed(0, Application("old"));
        UpdateBench.Install(flash, 1, 2, (Name, application));
        SlotRecord.Open(flash).Stage(1, SlotFiles.HashOf(SlotFiles.ReadManifest(flash, 1)), trySeconds);
        return flash;
    }

    private static void AssertBack(PowerCutFlash flash, byte error)
    {
        SlotRecord record = SlotRecord.Open(flash);
        Assert.That((record.Active, record.Candidate, record.State, record.Error), Is.EqualTo((0, SlotFiles.None, UpdateStates.RolledBack, error)));
    }

    // What the application called this was started with; taken, so that it is asked once. The application's fields are found through the
    // application domain, because its types are known to nobody here.
    private static (string? Slot, object? Root, object? Stop) Told(string name)
    {
        string key = Key(name);
        object?[]? told = (object?[]?)AppContext.GetData(key);
        AppContext.SetData(key, null);
        return told is null ? default : ((string?)told[0], told[1], told[2]);
    }

    private static string Key(string name) => $"{TestContext.CurrentContext.Test.ID}-{name}";

    // An assembly with DePIN.Firmware.Program.StartFromSlot, which puts its arguments where Told finds them and, if it waits, waits for the stop.
    private static byte[] Application(string name, string entry = SlotLoader.EntryMethod, bool waits = false)
    {
        using AssemblyDefinition assembly = AssemblyDefinition.CreateAssembly(new AssemblyNameDefinition("Node", new Version(1, 0)), "Node", ModuleKind.Dll);
        ModuleDefinition module = assembly.MainModule;
        TypeDefinition program = new("DePIN.Firmware", "Program", Mono.Cecil.TypeAttributes.Public | Mono.Cecil.TypeAttributes.Abstract | Mono.Cecil.TypeAttributes.Sealed, module.TypeSystem.Object);
        MethodDefinition start = new(entry, Mono.Cecil.MethodAttributes.Public | Mono.Cecil.MethodAttributes.Static, module.TypeSystem.Void);
        start.Parameters.Add(new ParameterDefinition(module.TypeSystem.String));
        start.Parameters.Add(new ParameterDefinition(module.TypeSystem.String));
        start.Parameters.Add(new ParameterDefinition(module.ImportReference(typeof(ManualResetEvent))));
        ILProcessor il = start.Body.GetILProcessor();
        il.Emit(OpCodes.Ldstr, Key(name));
        il.Emit(OpCodes.Ldc_I4_3);
        il.Emit(OpCodes.Newarr, module.TypeSystem.Object);
        foreach (OpCode argument in new[] { OpCodes.Ldarg_0, OpCodes.Ldarg_1, OpCodes.Ldarg_2 })
        {
            il.Emit(OpCodes.Dup);
            il.Emit(OpCodes.Ldc_I4, argument == OpCodes.Ldarg_0 ? 0 : argument == OpCodes.Ldarg_1 ? 1 : 2);
            il.Emit(argument);
            il.Emit(OpCodes.Stelem_Ref);
        }

        il.Emit(OpCodes.Call, module.ImportReference(typeof(AppContext).GetMethod(nameof(AppContext.SetData))));
        if (waits)
        {
            il.Emit(OpCodes.Ldarg_2);
            il.Emit(OpCodes.Callvirt, module.ImportReference(typeof(WaitHandle).GetMethod(nameof(WaitHandle.WaitOne), Type.EmptyTypes)));
            il.Emit(OpCodes.Pop);
        }

        il.Emit(OpCodes.Ret);
        program.Methods.Add(start);
        module.Types.Add(program);
        using MemoryStream image = new();
        assembly.Write(image);
        return image.ToArray();
    }
}
